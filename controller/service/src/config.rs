//! The configuration of a controller: what each key means here.

mod cluster;
mod identity;
mod telemetry;
mod tickets;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_config::Settings;
use oxwhisk_controller::{ControllerConfig, HealthyShare};
use oxwhisk_controller_settings::{self as controller_settings, Published, Users, users};
use oxwhisk_couchdb::CouchConfig;
use oxwhisk_grpc::settings::{EndpointSettings, read_endpoint};
use oxwhisk_kafka::{KafkaConfig, Role};
use oxwhisk_ops::settings::OpsConfig;
use oxwhisk_service::LogConfig;
use oxwhisk_settings::{FractionSetting, IpSetting, log};
use oxwhisk_ticket::TicketIssuer;

pub use cluster::ClusterConfig;
pub use telemetry::TelemetryConfig;

use crate::cli::Args;

/// Tables whose members a deployment names itself.
pub const OPEN_TABLES: [&str; 3] =
    [users::TABLE, oxwhisk_kafka::config::OPEN_TABLES[0], oxwhisk_kafka::config::OPEN_TABLES[1]];

/// Flat variables of OpenWhisk's deployments.
pub const VARIABLES: &[(&str, &str)] = &[
    ("CONTROLLER_NAME", "oxwhisk.controller.name"),
    ("PORT", "oxwhisk.port"),
    ("KAFKA_HOSTS", "whisk.kafka.hosts"),
    ("DB_PROVIDER", "whisk.couchdb.provider"),
    ("DB_PROTOCOL", "whisk.couchdb.protocol"),
    ("DB_HOST", "whisk.couchdb.host"),
    ("DB_PORT", "whisk.couchdb.port"),
    ("DB_USERNAME", "whisk.couchdb.username"),
    ("DB_PASSWORD", "whisk.couchdb.password"),
    ("DB_WHISK_ACTIONS", "whisk.couchdb.databases.WhiskEntity"),
    ("DB_WHISK_ACTIVATIONS", "whisk.couchdb.databases.WhiskActivation"),
    ("DB_WHISK_AUTHS", "whisk.couchdb.databases.WhiskAuth"),
];

/// OpenWhisk's port for its controllers.
pub const DEFAULT_PORT: u16 = 10001;
const OPS_PORT: u16 = 8081;
const GRPC: &str = "oxwhisk.grpc";
const GRPC_PORT: u16 = 9090;
/// Not OpenWhisk's `whisk.controller.readiness-fraction`, which people have set to all of them: it is about a page, and
/// there it has never taken a controller out of service.
const READY_FRACTION: &str = "oxwhisk.invokers.ready-fraction";

/// Everything a controller is started with.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// As in its certificate and on Kafka, for example `controller0`.
    pub name: String,
    /// The public API; port 0 takes any free port.
    pub listen: SocketAddr,
    pub grpc: EndpointSettings,
    /// The pages for operators and probes.
    pub ops: OpsConfig,
    pub tickets: Arc<TicketIssuer>,
    pub controller: ControllerConfig,
    pub couchdb: CouchConfig,
    pub kafka: KafkaConfig,
    pub cluster: ClusterConfig,
    /// How many invokers have to be healthy for this controller to be ready; `None`: none, since nothing was said of it.
    pub ready_with: Option<HealthyShare>,
    /// To be in the store when the controller serves.
    pub users: Users,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
    /// Written when the public API takes requests.
    pub ready_file: Option<PathBuf>,
    /// How long running activations get to finish when the controller is stopped.
    pub shutdown_grace: Duration,
}

/// Reads every key. `None` after a fault, which is then with the settings.
pub(crate) fn read(settings: &mut Settings, args: &Args, is_terminal: bool) -> Option<ServiceConfig> {
    let name = identity::read(settings);
    let IpSetting(address) = settings.value("whisk.controller.interface", IpSetting::ALL);
    let listen = SocketAddr::new(address, settings.value("oxwhisk.port", DEFAULT_PORT));
    let grpc = read_endpoint(settings, GRPC, GRPC_PORT);
    let ops = oxwhisk_ops::settings::read(settings, OPS_PORT);
    let tickets = tickets::read(settings);
    let controller = controller_settings::read(settings);
    let ready_with = settings.optional::<FractionSetting>(READY_FRACTION);
    let ready_with = ready_with.and_then(|FractionSetting(part)| HealthyShare::new(part));
    let couchdb = CouchConfig::read(settings);
    let kafka = read_kafka(settings, &name);
    let cluster = cluster::read(settings);
    let users = users::read(settings, Published::AsConfigured);
    let log = log::read(settings, is_terminal);
    let telemetry = telemetry::read(settings);
    let shutdown_grace = settings.value("oxwhisk.shutdown-grace", Duration::from_secs(60));
    Some(ServiceConfig {
        name,
        listen,
        grpc,
        ops,
        tickets: Arc::new(tickets?),
        controller,
        couchdb,
        kafka: kafka?,
        cluster,
        ready_with,
        users,
        log,
        telemetry,
        ready_file: args.ready_file.clone(),
        shutdown_grace,
    })
}

fn read_kafka(settings: &mut Settings, name: &str) -> Option<KafkaConfig> {
    let config = oxwhisk_kafka::config::read(settings, name, Role::Controller);
    if config.is_none() {
        settings.fault(
            "whisk.kafka.hosts",
            "is not set: controllers share their work by Kafka (KAFKA_HOSTS, --kafka-hosts)",
        );
    }
    config
}
