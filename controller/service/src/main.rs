//! The `controller` binary.

use std::io::Write as _;
use std::num::NonZero;
use std::process::ExitCode;

use oxwhisk_controller_service::app;
use oxwhisk_controller_service::cli::{self, Start};
use oxwhisk_settings::{Exit, Invocation, Refusal};

const PROGRAM: &str = "controller";

fn main() -> ExitCode {
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
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

/// Threads that serve: all processors but one, which the Kafka client's own threads have, and what else is on a small machine.
/// With one instead of two on two processors a cluster on one machine answered 15% more calls.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1)
}
