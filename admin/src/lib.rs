//! `wskadmin`, the command line of administrators: OpenWhisk's sub-commands with their output and exit codes, which scripts
//! parse, over the gRPC admin API; and some of our own under other names.
//!
//! - `arguments`: the flags, and what of Python's `argparse` they have to imitate;
//! - `connection`: which server to ask, and how;
//! - `commands`: one module a sub-command: asks, and says what to print;
//! - `output`: what is printed, as OpenWhisk's texts or as JSON; `python`: how Python writes values.

mod arguments;
mod commands;
mod connection;
mod output;
mod python;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::Arguments;
use output::Output;

/// Reads a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Usage errors and missing settings, as OpenWhisk's.
const USAGE: u8 = 2;

/// Runs one command and prints what it says.
#[must_use]
pub fn main(arguments: Vec<OsString>, environment: Environment<'_>) -> ExitCode {
    let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
    let mut output = Output::new(&mut stdout, &mut stderr);
    let code = match arguments::parse(arguments) {
        Ok(parsed) => run(parsed, environment, &mut output),
        Err(error) => {
            // To stdout when help was asked for, else to stderr; without a reader there is nobody to tell.
            let _ = error.print();
            if error.use_stderr() { USAGE } else { 0 }
        }
    };
    ExitCode::from(code)
}

fn run(arguments: Arguments, environment: Environment<'_>, output: &mut Output<'_>) -> u8 {
    output.json = arguments.json;
    if let Some(code) = commands::without_server(&arguments.command, environment, output) {
        return code;
    }
    let connection = match connection::choose(&arguments.connection, environment) {
        Ok(connection) => connection,
        Err(reason) => {
            output.failure(&reason);
            return USAGE;
        }
    };
    if arguments.verbose {
        output.remark(&format!("server: {connection}"));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.failure(&format!("Exception: {error}"));
            return 1;
        }
    };
    runtime.block_on(async {
        match connection.open() {
            Ok(server) => commands::with_server(arguments.command, &server, output).await,
            Err(error) => {
                output.failure(&format!("Exception: {error}"));
                1
            }
        }
    })
}
