//! The `cache-proxy` binary.

use std::io::Write as _;
use std::process::ExitCode;

use oxwhisk_cache_proxy_service::config::ServiceConfig;
use oxwhisk_cache_proxy_service::{app, cli};
use oxwhisk_settings::{Exit, Invocation, Refusal, Start};

fn main() -> ExitCode {
    // Before there is a secret in its memory.
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        let refusal =
            Refusal::new(Exit::System, format!("cannot keep its memory from being dumped: {error}"));
        return refusal.report(cli::PROGRAM);
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

fn serve(start: Start<ServiceConfig>) -> ExitCode {
    // Clients are served by threads of the proxy's own; this is for gRPC and the pages.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let refusal = Refusal::new(Exit::Software, format!("cannot start: {error}"));
            return refusal.report(cli::PROGRAM);
        }
    };
    let exit = runtime.block_on(app::run(start)).unwrap_or_else(|refusal| refusal.report(cli::PROGRAM));
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    exit
}
