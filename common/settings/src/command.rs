//! From a command line to a start.
//!
//! ```text
//! let environment = std::env::vars_os().collect();
//! match command::parse(std::env::args_os(), environment, config::read) {
//!     Ok(Invocation::Print(text)) => print it, exit 0
//!     Ok(Invocation::Serve(start)) => show start.warnings, run start.config
//!     Err(refusal) => refusal.report("oxwhisk")
//! }
//! ```

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use oxwhisk_config::{Layers, Settings};

use crate::exit::Exit;
use crate::refusal::Refusal;

/// What the user wants.
#[derive(Debug)]
pub enum Invocation<C> {
    /// Print this on stdout and exit with 0.
    Print(String),
    Serve(Box<Start<C>>),
}

/// A server to be started.
#[derive(Debug)]
pub struct Start<C> {
    pub config: C,
    /// The configuration in force as TOML, without secrets.
    pub dump: String,
    /// One line each, to be logged: they do not stop the start.
    pub warnings: Vec<String>,
}

/// The flags of a server. Those that set a key of the configuration are carried as text: the configuration reads and
/// checks all layers alike, and names the flag when a value is wrong.
pub trait CommandLine: Parser {
    /// Tables whose members a deployment names itself.
    const OPEN_TABLES: &'static [&'static str] = &[];

    /// Flat environment variables that OpenWhisk gave this service, and the keys they set.
    const VARIABLES: &'static [(&'static str, &'static str)] = &[];

    /// The file whose keys are the lowest layer above the defaults.
    fn config_file(&self) -> Option<&Path>;

    /// Whether to print the configuration in force instead of serving.
    fn dump_config(&self) -> bool;

    /// Adds the highest layer.
    fn add_flags(&self, layers: &mut Layers);
}

/// Reads the command line, and with it the whole configuration. `read` reads every key there is; after a fault, which
/// it leaves with the settings, it may give `None`.
///
/// # Errors
/// When the server cannot be started like this.
pub fn parse<A: CommandLine, C>(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Vec<(OsString, OsString)>,
    read: impl FnOnce(&mut Settings, &A) -> Option<C>,
) -> Result<Invocation<C>, Refusal> {
    let args = match A::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.to_string()));
        }
        Err(error) => return Err(Refusal::new(Exit::Usage, usage_line(&error, A::command().get_name()))),
    };
    let mut layers = Layers::new(A::OPEN_TABLES).with_variables(A::VARIABLES);
    if let Some(path) = args.config_file() {
        layers.add_file(path);
    }
    layers.add_environment(environment);
    args.add_flags(&mut layers);
    let mut settings = layers.into_settings();
    let config = read(&mut settings, &args);
    let (config, loaded) = settings.finish_with(config).map_err(|faults| Refusal::of_faults(&faults))?;
    let dump = loaded.dump.to_string();
    if args.dump_config() {
        return Ok(Invocation::Print(dump));
    }
    Ok(Invocation::Serve(Box::new(Start { config, dump, warnings: loaded.warnings })))
}

/// The first line of clap's message with its suggestion; the usage text below it is what `--help` is for.
fn usage_line(error: &clap::Error, program: &str) -> String {
    let rendered = error.to_string();
    let first = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => format!("{first}, did you mean '{flag}'? ({program} --help)"),
        _ => format!("{first} ({program} --help)"),
    }
}
