//! The `oxwhisk` binary: the standalone server.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use oxwhisk_settings::{Exit, Invocation, Refusal};
use oxwhisk_standalone::cli::{self, Start};
use oxwhisk_standalone::{app, runtimes};

const PROGRAM: &str = "oxwhisk";

fn main() -> ExitCode {
    // First of all, while there is one thread: this process may be a sandbox on its way to be, or the proxy in one.
    if let Some(code) = oxwhisk_sandbox::run_if_requested(runtimes::BUILTINS) {
        return code;
    }
    if is_native_proxy() {
        return oxwhisk_runtime_native::main_from_env();
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

fn is_native_proxy() -> bool {
    let name = std::env::args_os().next();
    name.is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == runtimes::NATIVE_PROXY))
}

fn serve(start: Start) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(app::worker_threads())
        .max_blocking_threads(16)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build();
    let runtime = match runtime {
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
