//! The command line of `invoker`.

mod args;

use std::ffi::OsString;

use oxwhisk_invoker_settings::Machine;
use oxwhisk_settings::{Invocation, Refusal, command};

pub use args::Args;

use crate::config::{self, InvokerServiceConfig};

/// Stands before each line about a start that is not possible.
pub const PROGRAM: &str = "invoker";

/// Reads the command line, and with it the whole configuration.
///
/// # Errors
/// When the invoker cannot be started like this.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Invocation<InvokerServiceConfig>, Refusal> {
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
) -> Result<Invocation<InvokerServiceConfig>, Refusal> {
    let own = environment.clone();
    command::parse(arguments, environment, |settings, args: &Args| {
        config::read(settings, args, machine, &own)
    })
}
