//! The command line of `oxwhisk`.

mod args;
mod banner;

use std::ffi::OsString;

use oxwhisk_invoker_settings::Machine;
use oxwhisk_settings::{Refusal, command};

pub use args::Args;
pub use banner::banner;

use crate::config::{self, StandaloneConfig};

/// What the user wants.
pub type Invocation = oxwhisk_settings::Invocation<StandaloneConfig>;
/// A server to be started.
pub type Start = oxwhisk_settings::Start<StandaloneConfig>;

/// Reads the command line, and with it the whole configuration.
///
/// # Errors
/// When the server cannot be started like this.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Invocation, Refusal> {
    let machine = Machine::detect(&environment);
    parse_on(&machine, arguments, environment)
}

/// [`parse`] on a given machine.
///
/// # Errors
/// As [`parse`].
pub fn parse_on(
    machine: &Machine,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Invocation, Refusal> {
    command::parse(arguments, environment, |settings, args: &Args| config::read(settings, args, machine))
}
