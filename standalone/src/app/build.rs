//! Putting the services together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use oxwhisk_container::ContainerFactory;
use oxwhisk_controller::{
    Backends, Controller, ControllerConfig, Fleet, LocalEngine, LocalThrottles, Records, Server, StoredCode,
};
use oxwhisk_controller_admin::Contents;
use oxwhisk_controller_settings as controller_settings;
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_invoker::config::InvokerConfig;
use oxwhisk_invoker::{Invoker, RECORDED_PER_TEXT};
use oxwhisk_invoker_api::{CodeSource, InvokerClient, RecordSink};
use oxwhisk_invoker_settings::{runtimes, sandbox, stem_cells};
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_messaging::Bus;
use oxwhisk_messaging::embedded::{EmbeddedBus, EmbeddedOptions};
use oxwhisk_metrics::Metrics;
use oxwhisk_sandbox::{RuntimeSpec, SandboxConfig, SandboxFactory};
use oxwhisk_service::{Readiness, Shutdown};
use oxwhisk_settings::{Exit, Refusal};
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};
use tokio_util::sync::CancellationToken;

use super::App;
use super::admin::{self, Backing};
use crate::cache::{Cache, NoCache};
use crate::config::StandaloneConfig;

/// Builds everything but the listeners.
pub(super) async fn build(
    config: &StandaloneConfig,
    dump: String,
    address: SocketAddr,
) -> Result<App, Refusal> {
    let data = &config.data_dir;
    let options = SqliteOptions { retention: config.activation_retention, ..SqliteOptions::default() };
    let stores =
        SqliteStores::open(data, &options).map_err(|error| Refusal::new(Exit::CannotCreate, error))?;
    let bus = EmbeddedBus::open(data, &bus_options(&config.controller.limits))
        .map_err(|error| Refusal::new(Exit::CannotCreate, error))?;
    let bus: Arc<dyn Bus> = Arc::new(bus);
    let listeners = Shutdown::new();
    let told = super::telemetry::start(config.telemetry, &bus, &listeners);
    let subjects = stores.subjects();
    controller_settings::enrol(&config.users, subjects.as_ref())
        .await
        .map_err(|error| Refusal::new(Exit::Io, error))?;

    let code = Arc::new(StoredCode::new(
        stores.attachments(),
        stores.entities(),
        Arc::clone(&config.controller.manifest),
        config.controller.limits.clone(),
    ));
    let records = Arc::new(Records::new(Arc::clone(&bus), stores.activations()));
    let available = runtimes::find();
    available.missing.iter().for_each(|line| tracing::warn!("{line}"));
    let invoker_config = invoker_config(config, &available.runtimes)?;
    let ports = Ports { api: address.port(), cache: config.cache.enabled.then_some(config.cache.port) };
    let sandbox = start_sandbox(data.join("sandbox"), available.runtimes, ports).await?;
    let cache = start_cache(config, &sandbox, &listeners, &told.controller.metrics).await;
    let invoker_config = InvokerConfig {
        api_host: api_host(config, &sandbox, address),
        telemetry: told.invoker,
        cache: cache.as_ref().and_then(Cache::access),
        ..invoker_config
    };
    let invoker = Invoker::start(
        invoker_config,
        Arc::clone(&sandbox) as Arc<dyn ContainerFactory>,
        Arc::clone(&code) as Arc<dyn CodeSource>,
        Arc::clone(&records) as Arc<dyn RecordSink>,
        None,
    )
    .await
    .map_err(|error| Refusal::new(Exit::System, error))?;
    told.controller.metrics.add(invoker.metrics_source());

    let fleet = Fleet::new(vec![Arc::clone(&invoker) as Arc<dyn InvokerClient>], Arc::new(HashPlacement));
    let controller_config = ControllerConfig { telemetry: told.controller, ..config.controller.clone() };
    let fleet = Arc::new(fleet);
    let engine =
        LocalEngine::new(Arc::clone(&fleet), Arc::clone(&bus), Arc::clone(&records), stores.activations());
    let backends = Backends {
        entities: stores.entities(),
        subjects: Arc::clone(&subjects),
        activations: stores.activations(),
        code,
        records,
        bus: Arc::clone(&bus),
        engine: Arc::new(engine),
        throttles: Arc::new(LocalThrottles::default()),
        elsewhere: None,
    };
    let controller = Controller::start(controller_config, backends)
        .await
        .map_err(|error| Refusal::new(Exit::Io, error))?;
    let server = Arc::new(Server::new(Arc::clone(&controller), controller_settings::server_config()));
    let contents = Contents {
        subjects: stores.subject_contents(),
        entities: stores.entity_contents(),
        activations: stores.activation_contents(),
    };
    let backing = Backing {
        subjects,
        contents,
        bus: Arc::clone(&bus),
        fleet,
        controller: Arc::clone(&controller),
        dump,
    };
    let readiness = Readiness::new();
    let admin = admin::server(backing, readiness.clone())?;
    Ok(App {
        server,
        controller,
        invoker,
        bus,
        sandbox,
        listeners,
        admin,
        admin_stop: CancellationToken::new(),
        readiness,
        cache: tokio::sync::Mutex::new(cache),
    })
}

/// Bounds of the bus: every record and every invocation that the limits allow must pass.
fn bus_options(limits: &SystemLimits) -> EmbeddedOptions {
    let default = EmbeddedOptions::default();
    let logs = limits.logs.max.as_bytes().saturating_mul(RECORDED_PER_TEXT);
    // An answer that is no JSON is quoted in the result, each byte as six characters at worst.
    let result = limits.payload.max(limits.truncation).as_bytes().saturating_mul(6);
    let record = logs.saturating_add(result);
    let invocation = limits.payload.as_bytes().saturating_add(limits.parameters.as_bytes());
    let largest = record.max(invocation).saturating_add(1 << 20);
    let max_message = usize::try_from(largest).unwrap_or(usize::MAX).max(default.max_message);
    let spool_bytes = default.spool_bytes.max(max_message.saturating_mul(2));
    EmbeddedOptions { max_message, spool_bytes, ..default }
}

/// Stem cells only of kinds that this machine can start.
fn invoker_config(config: &StandaloneConfig, runtimes: &[RuntimeSpec]) -> Result<InvokerConfig, Refusal> {
    let mut invoker = config.invoker.clone();
    let startable = |kind: &str| runtimes::serve(runtimes, kind);
    invoker.prewarm.stem_cells =
        stem_cells::of_manifest(&config.controller.manifest, invoker.user_memory, startable)
            .map_err(|error| Refusal::new(Exit::Config, error))?;
    Ok(invoker)
}

/// Where sandboxes reach the server.
#[derive(Clone, Copy)]
struct Ports {
    api: u16,
    cache: Option<u16>,
}

/// The server serves without one, and says so.
async fn start_cache(
    config: &StandaloneConfig,
    sandbox: &SandboxFactory,
    tasks: &Shutdown,
    metrics: &Metrics,
) -> Option<Cache> {
    match Cache::start(&config.cache, sandbox, tasks).await {
        Ok(cache) => {
            metrics.add(cache.metrics());
            tracing::info!(url = cache.url(), "actions have a cache");
            Some(cache)
        }
        Err(why @ NoCache::Off) => {
            tracing::info!("actions have no cache: {why}");
            None
        }
        Err(why) => {
            tracing::warn!("actions have no cache: {why}");
            None
        }
    }
}

async fn start_sandbox(
    state_dir: PathBuf,
    runtimes: Vec<RuntimeSpec>,
    ports: Ports,
) -> Result<Arc<SandboxFactory>, Refusal> {
    let mut config = SandboxConfig::new(state_dir);
    config.runtimes = runtimes;
    config.network.api_port = ports.api;
    config.network.extra_ports = ports.cache.into_iter().collect();
    let sandbox = sandbox::start(config).await.map_err(|error| Refusal::new(Exit::System, error))?;
    Ok(Arc::new(sandbox))
}

fn api_host(config: &StandaloneConfig, sandbox: &SandboxFactory, address: SocketAddr) -> String {
    let configured = config.api_host.clone();
    configured.or_else(|| sandbox.api_host_in_sandbox()).unwrap_or_else(|| format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::size::ByteSize;

    use super::*;

    #[test]
    fn the_bus_takes_what_the_limits_allow() {
        let limits = SystemLimits::default();
        let usual = bus_options(&limits).max_message;
        assert!(usual >= 5 * (10 << 20), "10 MB of logs may take five times as much in a record: {usual}");
        let raised = bus_options(&SystemLimits { payload: ByteSize::mb(64), ..limits });
        assert!(raised.max_message > 6 * (64 << 20));
    }
}
