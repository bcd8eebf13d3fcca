//! What all our servers share before they serve: how a command line and a configuration become a start or a refusal,
//! and what the keys mean that more than one of them reads.
//!
//! - [`command`]: from arguments and environment to [`Start`] or [`Refusal`]; [`exit`]: the codes;
//! - [`limits`], [`log`], [`manifest`]: readers over [`oxwhisk_config::Settings`];
//! - [`ip`], [`open_files`], [`ready_file`]: an address to listen on, the limit of open files, telling other programs
//!   that a server is ready.

pub mod command;
pub mod exit;
mod fraction;
pub mod ip;
pub mod limits;
pub mod log;
mod log_flags;
pub mod manifest;
pub mod open_files;
pub mod ready_file;
mod refusal;

pub use command::{CommandLine, Invocation, Start};
pub use exit::Exit;
pub use fraction::FractionSetting;
pub use ip::IpSetting;
pub use log_flags::LogFlags;
pub use refusal::Refusal;
