//! The configuration of an invoker: what each key means here.

mod api_host;
mod cache;
mod containers;
mod identity;
mod telemetry;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use oxwhisk_config::Settings;
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_grpc::settings::{EndpointSettings, SecuritySettings, read_endpoint};
use oxwhisk_invoker::config::InvokerConfig;
use oxwhisk_invoker_remote::server::InvokerServerOptions;
use oxwhisk_invoker_settings::{Machine, pool};
use oxwhisk_kafka::{KafkaConfig, Role};
use oxwhisk_ops::settings::OpsConfig;
use oxwhisk_service::LogConfig;
use oxwhisk_settings::{limits, log, manifest};

pub use api_host::ApiRelay;
pub use cache::{CacheAt, CacheSettings};
pub use containers::{Containers, SandboxSettings};
pub use identity::Identity;
pub use telemetry::TelemetryConfig;

use crate::cli::Args;

/// On loopback, where health and metrics are unless said otherwise.
const OPS_PORT: u16 = 8086;
const GRPC: &str = "oxwhisk.grpc";
const GRPC_PORT: u16 = 9096;
const KAFKA_HOSTS: &str = "whisk.kafka.hosts";
const SESSION_TIMEOUT: &str = "oxwhisk.invoker.session-timeout";
const CODE_PATIENCE: &str = "oxwhisk.invoker.code-patience";

/// Everything an invoker is started with.
#[derive(Clone, Debug)]
pub struct InvokerServiceConfig {
    pub identity: Identity,
    /// Where controllers are served.
    pub grpc: EndpointSettings,
    pub kafka: KafkaConfig,
    /// Without stem cells and API host, which depend on the factory.
    pub pool: InvokerConfig,
    /// `__OW_API_HOST` of actions as configured; `None` where sandboxes get the relay.
    pub api_host: Option<String>,
    pub manifest: Manifest,
    pub containers: Containers,
    /// `None`: actions have no cache here.
    pub cache: Option<CacheSettings>,
    pub remote: InvokerServerOptions,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
    pub ops: OpsConfig,
    /// Written when the invoker takes work.
    pub ready_file: Option<PathBuf>,
    /// How long running activations get to finish when the invoker is stopped.
    pub shutdown_grace: Duration,
}

impl InvokerServiceConfig {
    /// Whether plain text was admitted in so many words.
    #[must_use]
    pub fn insecure(&self) -> bool {
        matches!(self.grpc.security, SecuritySettings::Plaintext { insecure: true })
    }
}

/// What the service knows by itself.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "docker"), expect(dead_code, reason = "only Docker asks"))]
struct Known<'a> {
    /// Bytes that all containers together may have.
    user_memory: u64,
    environment: &'a [(OsString, OsString)],
}

/// Reads every key there is.
pub(crate) fn read(
    settings: &mut Settings,
    args: &Args,
    machine: &Machine,
    environment: &[(OsString, OsString)],
) -> Option<InvokerServiceConfig> {
    let identity = identity::read(settings);
    let grpc = read_endpoint(settings, GRPC, GRPC_PORT);
    let kafka = read_kafka(settings, identity.as_ref());
    let limits = limits::read_system(settings);
    let manifest = manifest::read(settings);
    let pool = pool::read(settings, machine, &limits);
    let api_host = api_host::read(settings);
    let known = Known { user_memory: pool.user_memory << 20, environment };
    let containers = containers::read(settings, identity.as_ref(), machine, &known);
    let cache = cache::read(settings, containers.as_ref(), &grpc.security);
    let relays = matches!(&containers, Some(Containers::Sandbox(sandbox)) if sandbox.relay.is_some());
    if api_host.is_none() && !relays {
        api_host::missing(settings);
    }
    let remote = read_remote(settings, &limits);
    let log = log::read(settings, machine.stderr_is_terminal);
    let telemetry = telemetry::read(settings);
    let ops = oxwhisk_ops::settings::read(settings, OPS_PORT);
    let shutdown_grace = settings.value("oxwhisk.shutdown-grace", Duration::from_secs(60));
    let identity = identity?;
    let pool = InvokerConfig {
        id: identity.id,
        code_timeout: remote.code_patience,
        // Controllers hold every answer until they are told that its record is durable.
        records_follow: true,
        ..pool
    };
    Some(InvokerServiceConfig {
        identity,
        grpc,
        kafka: kafka?,
        pool,
        api_host,
        manifest: manifest?,
        containers: containers?,
        cache,
        remote,
        log,
        telemetry,
        ops,
        ready_file: args.ready_file.clone(),
        shutdown_grace,
    })
}

fn read_kafka(settings: &mut Settings, identity: Option<&Identity>) -> Option<KafkaConfig> {
    let instance = identity.map_or_else(String::new, |identity| identity.id.to_string());
    let kafka = oxwhisk_kafka::config::read(settings, &instance, Role::Invoker);
    if kafka.is_none() {
        settings.fault(
            KAFKA_HOSTS,
            "is not set: records and heartbeats go to Kafka (--kafka-hosts, KAFKA_HOSTS)",
        );
    }
    kafka
}

fn read_remote(settings: &mut Settings, limits: &SystemLimits) -> InvokerServerOptions {
    let default = InvokerServerOptions::default();
    let max_held = u32::try_from(default.max_held).unwrap_or(u32::MAX);
    let max_held = settings.value("oxwhisk.invoker.max-held", max_held);
    if max_held == 0 {
        settings.fault("oxwhisk.invoker.max-held", "must be at least 1");
    }
    let session_timeout = settings.value(SESSION_TIMEOUT, default.session_timeout);
    if session_timeout < Duration::from_secs(30) {
        settings.fault(
            SESSION_TIMEOUT,
            "is less than 30 seconds: a controller that is away for a moment would be forgotten",
        );
    }
    let code_patience = settings.value(CODE_PATIENCE, default.code_patience);
    if code_patience.is_zero() {
        settings.fault(CODE_PATIENCE, "must be longer than no time: code is fetched within it");
    }
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    // Archives are base64 on their way.
    let max_code = bytes(limits.exec.as_bytes().saturating_mul(2)).max(default.max_code);
    let max_put = bytes(limits.payload.as_bytes().saturating_mul(16)).max(default.max_put);
    InvokerServerOptions {
        max_held: bytes(max_held.into()),
        session_timeout,
        code_patience,
        max_code,
        max_put,
        ..default
    }
}
