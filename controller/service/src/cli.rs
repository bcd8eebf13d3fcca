//! The command line of `controller`.

mod args;

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::Parser as _;
use oxwhisk_settings::{Exit, Refusal, command};

pub use args::Args;

use crate::config::{self, ServiceConfig};
use crate::key_file;

/// What the user wants.
pub type Invocation = oxwhisk_settings::Invocation<ServiceConfig>;
/// A controller to be started.
pub type Start = oxwhisk_settings::Start<ServiceConfig>;

/// Reads the command line, and with it the whole configuration.
///
/// # Errors
/// When the controller cannot be started like this.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Vec<(OsString, OsString)>,
) -> Result<Invocation, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    // What is wrong with the command line is said below.
    if let Ok(args) = Args::try_parse_from(&arguments)
        && let Some(path) = args.generate_ticket_keys()
    {
        let made = key_file::generate(path).map_err(|error| {
            Refusal::new(Exit::CannotCreate, format!("cannot write '{}': {error}", path.display()))
        });
        return made.map(|()| Invocation::Print(format!("a key was written to '{}'\n", path.display())));
    }
    let is_terminal = std::io::stderr().is_terminal();
    command::parse(arguments, environment, |settings, args: &Args| config::read(settings, args, is_terminal))
}
