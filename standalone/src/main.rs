//! The `oxwhisk` binary: the standalone server.

use std::io::Write as _;
use std::process::ExitCode;

use oxwhisk_invoker_settings::{runtimes, threads};
use oxwhisk_settings::{Exit, Invocation, Refusal};
use oxwhisk_standalone::cli::{self, Start};
use oxwhisk_standalone::{app, cache};

const PROGRAM: &str = "oxwhisk";

fn main() -> ExitCode {
    // First of all, while there is one thread: this process may be a sandbox on its way to be, or the proxy in one, or the
    // cache's server.
    if let Some(code) = runtimes::run_if_requested().or_else(cache::run_if_requested) {
        return code;
    }
    match cli::parse(std::env::args_os(), std::env::vars_os().collect()) {
        Ok(Invocation::Print(text)) => {
            // A reader that has gone away has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Exit::Stopped.into()
        }
        Ok(Invocation::Serve(start)) => serve(*start),
        Err(refusal) => refusal.report(PROGRAM),
    }
}

fn serve(start: Start) -> ExitCode {
    let runtime = match threads::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            return Refusal::new(Exit::Software, format!("cannot start threads: {error}")).report(PROGRAM);
        }
    };
    let exit = match runtime.block_on(app::run(start)) {
        Ok(exit) => exit,
        Err(refusal) => refusal.report(PROGRAM),
    };
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    exit
}
