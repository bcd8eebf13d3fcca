//! The command line of `cache-proxy`.

mod args;

use std::ffi::OsString;
use std::io::IsTerminal as _;

use oxwhisk_settings::{Invocation, Refusal, command};

pub use args::Args;

use crate::config::{self, ServiceConfig};

/// Stands before each line about a start that is not possible.
pub const PROGRAM: &str = "cache-proxy";

/// Reads the command line, and with it the whole configuration.
///
/// # Errors
/// When the proxy cannot be started like this.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Invocation<ServiceConfig>, Refusal> {
    let is_terminal = std::io::stderr().is_terminal();
    command::parse(arguments, environment, |settings, args: &Args| config::read(settings, args, is_terminal))
}
