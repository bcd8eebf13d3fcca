//! The configuration of the standalone server: what each key means here.

mod admin;
mod cache;
mod data_dir;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use oxwhisk_config::Settings;
use oxwhisk_controller::ControllerConfig;
use oxwhisk_controller_settings::{self as controller_settings, Published, Users, users};
use oxwhisk_invoker::config::InvokerConfig;
use oxwhisk_invoker_settings::{Machine, pool};
use oxwhisk_service::LogConfig;
use oxwhisk_settings::{IpSetting, log};

pub use admin::AdminConfig;
pub use cache::CacheConfig;
pub use data_dir::{DataDirError, prepare as prepare_data_dir};
pub use telemetry::TelemetryConfig;

use crate::cli::Args;

/// OpenWhisk's port for its standalone server.
pub const DEFAULT_PORT: u16 = 3233;

const ADDRESS: &str = "whisk.controller.interface";
const DATA_DIR: &str = "oxwhisk.data-dir";

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
    pub controller: ControllerConfig,
    /// Without stem cells and API host, which depend on the manifest and the sandbox.
    pub invoker: InvokerConfig,
    /// `__OW_API_HOST` of actions as configured, a URL; `None` leaves it to the sandbox.
    pub api_host: Option<String>,
    pub users: Users,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
    pub admin: AdminConfig,
    pub cache: CacheConfig,
    /// How long activation records are kept; `None` is for ever.
    pub activation_retention: Option<Duration>,
    /// How long running activations get to finish when the server is stopped.
    pub shutdown_grace: Duration,
}

/// Reads every key. `None` after a fault, which is then with the settings.
pub(crate) fn read(settings: &mut Settings, args: &Args, machine: &Machine) -> Option<StandaloneConfig> {
    let listen = read_listen(settings);
    let data_dir = read_data_dir(settings, machine, listen.port());
    let controller = controller_settings::read(settings);
    let invoker = pool::read(settings, machine, &controller.limits);
    let users = users::read(settings, Published::Enrolled);
    warn_of_published_keys(settings, listen, &users);
    let log = log::read(settings, machine.stderr_is_terminal);
    let telemetry = telemetry::read(settings);
    let admin = admin::read(settings);
    let cache = cache::read(settings);
    let api_host = read_api_host(settings, listen.port());
    let activation_retention = settings.optional("oxwhisk.activation-store.retention");
    let shutdown_grace = settings.value("oxwhisk.shutdown-grace", Duration::from_secs(60));
    Some(StandaloneConfig {
        listen,
        data_dir: data_dir?,
        clean: args.clean,
        ready_file: args.ready_file.clone(),
        controller,
        invoker,
        api_host,
        users,
        log,
        telemetry,
        admin,
        cache,
        activation_retention,
        shutdown_grace,
    })
}

fn read_listen(settings: &mut Settings) -> SocketAddr {
    let IpSetting(address) = settings.value(ADDRESS, IpSetting::LOOPBACK);
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
