//! The whole controller: put together, run until a signal, drained.
//!
//! What it depends on may be away when it starts. It serves gRPC and says why it is not ready from its first moment on, and
//! takes its place among the controllers, and requests, when everything is there.

mod engine;
mod foundation;
mod grpc;
mod members;
mod public;
mod readiness;
mod start;
mod stop;
mod telemetry;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use oxwhisk_controller::{Controller, Server};
use oxwhisk_service::{StopSignals, Telemetry, signals};
use oxwhisk_settings::{Exit, Refusal, ready_file};

use crate::cli::Start;
use crate::config::ServiceConfig;
use foundation::Foundation;
use public::PublicSocket;

/// What serves the public API.
#[derive(Debug)]
struct Serving {
    controller: Arc<Controller>,
    server: Arc<Server>,
}

/// Runs the controller until it is told to stop, and drains it.
///
/// # Errors
/// When it cannot start: one line that says why, and the exit code.
pub async fn run(start: Start) -> Result<ExitCode, Refusal> {
    let Start { config, dump, warnings } = start;
    let telemetry = Telemetry::start(&config.log).map_err(|error| Refusal::new(Exit::Config, error))?;
    oxwhisk_service::panic::log_panics();
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut stop_signals = StopSignals::install().map_err(|error| Refusal::new(Exit::Software, error))?;
    // Before any work: a taken port is the commonest reason not to start.
    let public = PublicSocket::bind(config.listen)?;
    let mut foundation = Foundation::lay(&config, dump, telemetry.filter()).await?;
    let grace = config.shutdown_grace;
    let stopped = tokio::select! {
        served = foundation.serve(&config, public) => match served {
            Ok(serving) => Ok((stop_signals.recv().await, Some(serving))),
            Err(refusal) => Err(refusal),
        },
        signal = stop_signals.recv() => Ok((signal, None)),
    };
    let (signal, serving) = match stopped {
        Ok(stopped) => stopped,
        Err(refusal) => {
            foundation.stop(None, grace).await;
            return Err(refusal);
        }
    };
    tracing::info!("{signal}: finishing what runs, a second signal ends it at once");
    let drained = signals::drain_or_force(foundation.stop(serving, grace), stop_signals.recv()).await;
    drop(telemetry);
    Ok(match drained {
        Ok(()) => Exit::Stopped.into(),
        Err(second) => ExitCode::from(second.exit_code()),
    })
}

/// Tells people, and another program that waits for it, that requests are taken.
fn announce(config: &ServiceConfig, api: &str) -> Result<(), Refusal> {
    tracing::info!(name = config.name, api, "the controller is ready");
    let mut stdout = std::io::stdout().lock();
    // For the person who started it; without a stdout there is nobody.
    let _ = writeln!(stdout, "{} is ready: {api}", config.name).and_then(|()| stdout.flush());
    let Some(path) = &config.ready_file else { return Ok(()) };
    ready_file::write(path, api, std::process::id()).map_err(|error| {
        Refusal::new(Exit::CannotCreate, format!("cannot write '{}': {error}", path.display()))
    })
}
