//! The command line of `oxwhisk`: what was asked for, and how a start that fails says so.
//!
//! ```text
//! let environment = std::env::vars_os().collect();
//! match cli::parse(std::env::args_os(), environment) {
//!     Ok(Invocation::Print(text)) => print it, exit 0
//!     Ok(Invocation::Serve(start)) => show start.warnings, run start.config
//!     Err(refusal) => refusal.report()
//! }
//! ```

mod args;
mod banner;
mod exit;
mod ready_file;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use oxwhisk_config::{Faults, Origin};
use oxwhisk_invoker_settings::Machine;

pub use args::Args;
pub use banner::banner;
pub use exit::Exit;
pub use ready_file::write_ready_file;

use crate::config::{self, StandaloneConfig};

/// What the user wants.
#[derive(Debug)]
pub enum Invocation {
    /// Print this on stdout and exit with 0.
    Print(String),
    Serve(Box<Start>),
}

/// A server to be started.
#[derive(Debug)]
pub struct Start {
    pub config: StandaloneConfig,
    /// The configuration in force as TOML, without secrets.
    pub dump: String,
    /// One line each, to be logged: they do not stop the start.
    pub warnings: Vec<String>,
}

/// A start that is not possible: lines for people and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub exit: Exit,
    lines: Vec<String>,
}

impl Refusal {
    /// One reason, as one line: what is wrong and with what.
    pub fn new(exit: Exit, reason: impl fmt::Display) -> Self {
        Self { exit, lines: vec![reason.to_string().lines().collect::<Vec<_>>().join(": ")] }
    }

    /// Faults of flags alone are a wrong use; anything else is a wrong configuration.
    fn of_faults(faults: &Faults) -> Self {
        let only_flags = faults.iter().all(|fault| matches!(fault.origin, Origin::Flag(_)));
        let exit = if only_flags { Exit::Usage } else { Exit::Config };
        Self { exit, lines: faults.iter().map(ToString::to_string).collect() }
    }

    /// Writes the lines to stderr, each with the program's name, and gives the exit code for `main`.
    pub fn report(&self) -> ExitCode {
        // Without a stderr there is nobody to tell; the exit code still does.
        let _ = io::stderr().write_all(self.to_string().as_bytes());
        self.exit.into()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "oxwhisk: {line}"))
    }
}

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
    let matches = match Args::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.to_string()));
        }
        Err(error) => return Err(Refusal::new(Exit::Usage, usage_line(&error))),
    };
    let args =
        Args::from_arg_matches(&matches).map_err(|error| Refusal::new(Exit::Usage, usage_line(&error)))?;
    let (config, loaded) =
        config::load(&args, environment, machine).map_err(|faults| Refusal::of_faults(&faults))?;
    if args.dump_config {
        return Ok(Invocation::Print(loaded.dump.to_string()));
    }
    Ok(Invocation::Serve(Box::new(Start {
        config,
        dump: loaded.dump.to_string(),
        warnings: loaded.warnings,
    })))
}

/// The first line of clap's message with its suggestion; the usage text below it is what `--help` is for.
fn usage_line(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let first = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => format!("{first}, did you mean '{flag}'? (oxwhisk --help)"),
        _ => format!("{first} (oxwhisk --help)"),
    }
}
