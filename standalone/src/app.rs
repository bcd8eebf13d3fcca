//! The whole server: put together, run until a signal, drained.

mod admin;
mod build;
mod stop;
mod telemetry;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use oxwhisk_controller::{Controller, Server};
use oxwhisk_invoker::Invoker;
use oxwhisk_messaging::Bus;
use oxwhisk_sandbox::SandboxFactory;
use oxwhisk_service::{Readiness, Shutdown, StopSignals, Telemetry, signals};
use oxwhisk_settings::{Exit, Refusal, ready_file};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::cli::{self, Start};
use crate::config::{self, StandaloneConfig};

/// Everything that runs.
#[derive(Debug)]
struct App {
    server: Arc<Server>,
    controller: Arc<Controller>,
    invoker: Arc<Invoker>,
    bus: Arc<dyn Bus>,
    sandbox: Arc<SandboxFactory>,
    listeners: Shutdown,
    admin: Arc<oxwhisk_grpc::Server>,
    /// Ends the admin API, which goes on while the rest is drained.
    admin_stop: CancellationToken,
    readiness: Readiness,
    cache: tokio::sync::Mutex<Option<Cache>>,
}

/// Runs the server until it is told to stop, and drains it.
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
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Refusal::new(Exit::Unavailable, format!("cannot listen on {}: {error}", config.listen))
    })?;
    let address = listener.local_addr().map_err(|error| Refusal::new(Exit::Unavailable, error))?;
    config::prepare_data_dir(&config.data_dir, config.clean)
        .map_err(|error| Refusal::new(Exit::CannotCreate, error))?;
    let app = build::build(&config, dump, address).await?;
    let started = app.listen(listener, &config).await;
    if let Err(refusal) = started.and_then(|()| announce(&config, &format!("http://{address}"))) {
        app.stop(config.shutdown_grace).await;
        return Err(refusal);
    }
    let signal = stop_signals.recv().await;
    tracing::info!("{signal}: finishing what runs, a second signal ends it at once");
    let drained = signals::drain_or_force(app.stop(config.shutdown_grace), stop_signals.recv()).await;
    drop(telemetry);
    Ok(match drained {
        Ok(()) => Exit::Stopped.into(),
        Err(second) => ExitCode::from(second.exit_code()),
    })
}

impl App {
    /// Serves on `listener`, on the address at which actions reach the API, and the admin API.
    async fn listen(&self, listener: TcpListener, config: &StandaloneConfig) -> Result<(), Refusal> {
        let unavailable = |error: std::io::Error| {
            Refusal::new(Exit::Unavailable, format!("cannot serve the API to actions: {error}"))
        };
        let everywhere = listener.local_addr().is_ok_and(|address| address.ip().is_unspecified());
        self.serve("api", listener);
        // A server on every address is there already.
        if !everywhere && let Some(listener) = self.sandbox.api_listener().await {
            let listener = listener.and_then(TcpListener::from_std).map_err(unavailable)?;
            self.serve("api for actions", listener);
        }
        for listener in admin::listeners(&config.admin, &config.data_dir).await? {
            let (server, stop) = (Arc::clone(&self.admin), self.admin_stop.clone());
            self.listeners.spawn("admin", server.serve(listener, stop));
        }
        Ok(())
    }

    fn serve(&self, name: &'static str, listener: TcpListener) {
        let server = Arc::clone(&self.server);
        self.listeners.spawn(name, async move { server.serve(listener).await });
    }
}

fn announce(config: &StandaloneConfig, api: &str) -> Result<(), Refusal> {
    // For the person who started the server; without a stdout there is nobody.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(cli::banner(api, config).as_bytes()).and_then(|()| stdout.flush());
    if let Some(path) = &config.ready_file {
        ready_file::write(path, api, std::process::id()).map_err(|error| {
            Refusal::new(Exit::CannotCreate, format!("cannot write '{}': {error}", path.display()))
        })?;
    }
    Ok(())
}
