//! The configuration of the standalone server: what each key means here.

mod admin;
mod api;
mod data_dir;
mod limits;
mod log;
mod machine;
mod parameter_storage;
mod pool;
mod records;
mod telemetry;
mod users;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use oxwhisk_config::{Faults, Layers, Loaded, Setting, Settings, setting};
use oxwhisk_controller::{FeatureFlags, ParameterCiphers, Storing, TransactionHeader};
use oxwhisk_core::limits::{SystemLimits, UserLimits};
use oxwhisk_core::manifest::Manifest;
use oxwhisk_invoker::config::InvokerConfig;
use oxwhisk_service::LogConfig;

pub use admin::AdminConfig;
pub use data_dir::{DataDirError, prepare as prepare_data_dir};
pub use machine::Machine;
pub use telemetry::TelemetryConfig;
pub use users::{GUEST_KEY, SYSTEM_KEY, User, Users};

use crate::cli::Args;
use crate::manifest;

/// Tables whose members users name.
pub const OPEN_TABLES: &[&str] = &["whisk.users"];

/// OpenWhisk's port for its standalone server.
pub const DEFAULT_PORT: u16 = 3233;

const ADDRESS: &str = "whisk.controller.interface";
const DATA_DIR: &str = "oxwhisk.data-dir";

/// What `GET /api/v1` tells about the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    pub date: String,
    pub number: String,
}

/// Everything the standalone server is started with.
#[derive(Clone, Debug)]
pub struct StandaloneConfig {
    /// Port 0 takes any free port.
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// Empty the data directory before starting.
    pub clean: bool,
    /// Written when the server takes requests.
    pub ready_file: Option<PathBuf>,
    pub manifest: Manifest,
    pub limits: SystemLimits,
    /// For namespaces that set no limits themselves.
    pub namespace_defaults: UserLimits,
    /// Without stem cells and API host, which depend on the manifest and the sandbox.
    pub invoker: InvokerConfig,
    /// `__OW_API_HOST` of actions as configured, a URL; `None` leaves it to the sandbox.
    pub api_host: Option<String>,
    pub users: Users,
    /// How parameters of actions are encrypted in the store.
    pub parameters: ParameterCiphers,
    /// Which activation records are kept.
    pub storing: Storing,
    pub features: FeatureFlags,
    pub transaction_header: TransactionHeader,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
    pub admin: AdminConfig,
    pub build: BuildInfo,
    /// How long activation records are kept; `None` is for ever.
    pub activation_retention: Option<Duration>,
    /// How long running activations get to finish when the server is stopped.
    pub shutdown_grace: Duration,
}

/// An IP address, or `localhost` as OpenWhisk's configuration has it.
#[derive(Clone, Copy)]
struct Address(IpAddr);

impl Setting for Address {
    fn read(text: &str) -> Result<Self, String> {
        if text == "localhost" {
            return Ok(Self(Ipv4Addr::LOCALHOST.into()));
        }
        text.parse().map(Self).map_err(|_| format!("'{text}' is not an IP address to listen on"))
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}

/// Puts the layers together and reads every key.
///
/// # Errors
/// Every fault of every layer.
pub fn load(
    args: &Args,
    environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    machine: &Machine,
) -> Result<(StandaloneConfig, Loaded), Faults> {
    let mut layers = Layers::new(OPEN_TABLES);
    if let Some(path) = &args.config_file {
        layers.add_file(path);
    }
    layers.add_environment(environment);
    args.add_flags(&mut layers);
    let mut settings = layers.into_settings();
    let config = read(&mut settings, args, machine);
    settings.finish_with(config)
}

fn read(settings: &mut Settings, args: &Args, machine: &Machine) -> Option<StandaloneConfig> {
    let listen = read_listen(settings);
    let data_dir = read_data_dir(settings, machine, listen.port());
    let manifest = manifest::read(settings);
    let limits = limits::read_system(settings);
    let namespace_defaults = limits::read_namespace_defaults(settings);
    let invoker = pool::read(settings, machine, &limits);
    let users = users::read(settings);
    warn_of_published_keys(settings, listen, &users);
    let parameters = parameter_storage::read(settings);
    let storing = records::read(settings);
    let features = api::read_features(settings);
    let transaction_header = api::read_transaction_header(settings);
    let log = log::read(settings, machine.stderr_is_terminal);
    let telemetry = telemetry::read(settings);
    let admin = admin::read(settings);
    let build = BuildInfo {
        date: settings.value("whisk.info.date", "unknown".to_owned()),
        number: settings.value("whisk.info.build-no", env!("CARGO_PKG_VERSION").to_owned()),
    };
    let api_host = read_api_host(settings, listen.port());
    let activation_retention = settings.optional("oxwhisk.activation-store.retention");
    let shutdown_grace = settings.value("oxwhisk.shutdown-grace", Duration::from_secs(60));
    Some(StandaloneConfig {
        listen,
        data_dir: data_dir?,
        clean: args.clean,
        ready_file: args.ready_file.clone(),
        manifest: manifest?,
        limits,
        namespace_defaults,
        invoker,
        api_host,
        users,
        parameters,
        storing,
        features,
        transaction_header,
        log,
        telemetry,
        admin,
        build,
        activation_retention,
        shutdown_grace,
    })
}

fn read_listen(settings: &mut Settings) -> SocketAddr {
    let Address(address) = settings.value(ADDRESS, Address(Ipv4Addr::LOCALHOST.into()));
    SocketAddr::new(address, settings.value("oxwhisk.port", DEFAULT_PORT))
}

/// One directory for each port, as OpenWhisk's standalone server has it.
fn read_data_dir(settings: &mut Settings, machine: &Machine, port: u16) -> Option<PathBuf> {
    let default = machine.home.as_ref().map(|home| home.join(format!(".openwhisk/standalone/server-{port}")));
    match default {
        Some(default) => Some(settings.value(DATA_DIR, default)),
        None => {
            let given = settings.optional(DATA_DIR);
            if given.is_none() {
                settings.fault(DATA_DIR, "HOME is not set, so a data directory must be given (--data-dir)");
            }
            given
        }
    }
}

/// OpenWhisk gives actions `protocol://name:port`.
fn read_api_host(settings: &mut Settings, own_port: u16) -> Option<String> {
    let protocol = settings.value("whisk.config.whisk-api-host-proto", "http".to_owned());
    let port = settings.value("whisk.config.whisk-api-host-port", own_port);
    let name: Option<String> = settings.optional("whisk.config.whisk-api-host-name");
    Some(format!("{protocol}://{}:{port}", name?))
}

fn warn_of_published_keys(settings: &mut Settings, listen: SocketAddr, users: &Users) {
    if !listen.ip().is_loopback() && users.has_published_key() {
        settings.warn(format!(
            "the server listens on {} and takes keys that are published with OpenWhisk: anybody who reaches it may \
             use it; set whisk.users.guest and whisk.users.whisk-system",
            listen.ip()
        ));
    }
}
