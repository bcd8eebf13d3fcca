//! The `invoker` binary.

use std::io::Write as _;
use std::process::ExitCode;

use oxwhisk_invoker_service::config::InvokerServiceConfig;
use oxwhisk_invoker_service::{app, cli};
use oxwhisk_invoker_settings::{runtimes, threads};
use oxwhisk_settings::{Exit, Invocation, Refusal, Start};

fn main() -> ExitCode {
    // First of all, while there is one thread: this process may be a sandbox on its way to be, or the proxy in one.
    if let Some(code) = runtimes::run_if_requested() {
        return code;
    }
    match cli::parse(std::env::args_os(), std::env::vars_os().collect()) {
        Ok(Invocation::Print(text)) => {
            // A reader that has gone away has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Exit::Stopped.into()
        }
        Ok(Invocation::Serve(start)) => serve(*start),
        Err(refusal) => refusal.report(cli::PROGRAM),
    }
}

fn serve(start: Start<InvokerServiceConfig>) -> ExitCode {
    let runtime = match threads::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let refusal = Refusal::new(Exit::Software, format!("cannot start threads: {error}"));
            return refusal.report(cli::PROGRAM);
        }
    };
    let exit = runtime.block_on(app::run(start)).unwrap_or_else(|refusal| refusal.report(cli::PROGRAM));
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    exit
}
