//! The whole invoker: put together, run until a signal, drained.

mod build;
mod sockets;
mod start;
mod stop;
mod telemetry;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use oxwhisk_grpc::TlsSource;
use oxwhisk_invoker::{Invoker, InvokerTelemetry};
use oxwhisk_invoker_remote::server::InvokerServer;
use oxwhisk_kafka::KafkaBus;
use oxwhisk_metrics::Metrics;
use oxwhisk_service::{Readiness, Shutdown, StopSignals, Telemetry, signals};
use oxwhisk_settings::{Exit, Refusal, Start};
use tokio_util::sync::CancellationToken;

use crate::config::InvokerServiceConfig;
use crate::containers::Factory;
use sockets::Sockets;

/// Everything that runs.
#[derive(Debug)]
struct App {
    config: InvokerServiceConfig,
    /// What controllers are told to connect to.
    address: String,
    /// `None`: plain text.
    tls: Option<Arc<TlsSource>>,
    bus: Arc<KafkaBus>,
    /// The end of the conversations with controllers.
    server: InvokerServer,
    readiness: Readiness,
    metrics: Metrics,
    /// Whom the pool tells what it does.
    telemetry: InvokerTelemetry,
    tasks: Shutdown,
    /// Ends what tells others, when there is no more to tell.
    telling: Shutdown,
    /// Ends the gRPC server, which goes on while what runs is finished.
    serving: CancellationToken,
    /// Ends what operators ask, last.
    operating: Shutdown,
    factory: OnceLock<Factory>,
    invoker: OnceLock<Arc<Invoker>>,
}

/// Runs the invoker until it is told to stop, and drains it.
///
/// # Errors
/// When it cannot start, or Kafka refuses it: one line that says why, and the exit code.
pub async fn run(start: Start<InvokerServiceConfig>) -> Result<ExitCode, Refusal> {
    let Start { config, warnings, .. } = start;
    let telemetry = Telemetry::start(&config.log).map_err(|error| Refusal::new(Exit::Config, error))?;
    oxwhisk_service::panic::log_panics();
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut stop_signals = StopSignals::install().map_err(|error| Refusal::new(Exit::Software, error))?;
    // Before any work: a taken port and a wrong certificate are the commonest reasons not to start.
    let sockets = Sockets::bind(&config).await?;
    let (app, beginning) = build::build(config, sockets, telemetry.filter())?;
    let stop = CancellationToken::new();
    let work = app.work(beginning, &stop);
    tokio::pin!(work);
    let signal = tokio::select! {
        ended = &mut work => {
            app.stop().await;
            return ended.map(|()| Exit::Stopped.into());
        }
        signal = stop_signals.recv() => signal,
    };
    tracing::info!("{signal}: finishing what runs, a second signal ends it at once");
    stop.cancel();
    let stopping = async {
        // What was on its way up is there, and known, before it is taken down.
        let ended = work.await;
        app.stop().await;
        ended
    };
    let drained = signals::drain_or_force(stopping, stop_signals.recv()).await;
    drop(telemetry);
    match drained {
        Ok(ended) => ended.map(|()| Exit::Stopped.into()),
        Err(second) => Ok(ExitCode::from(second.exit_code())),
    }
}
