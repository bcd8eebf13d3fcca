//! The keys that every controller reads, alone in its process with everything else or among other services.

mod api;
mod cache_default;
mod delivery;
mod parameter_storage;
mod storing;
pub mod users;

use std::sync::Arc;

use oxwhisk_config::Settings;
use oxwhisk_controller::{ApiInfo, ControllerConfig, ServerConfig};
use oxwhisk_settings::{limits, manifest, open_files};

pub use users::{GUEST_KEY, Published, SYSTEM_KEY, User, Users, enrol};

/// Reads what a controller is told at its start; faults go to the settings.
pub fn read(settings: &mut Settings) -> ControllerConfig {
    // After a fault nothing starts, but everything is read, so that all faults are found.
    let manifest = manifest::read(settings).unwrap_or_default();
    let limits = limits::read_system(settings);
    let mut namespace_defaults = limits::read_namespace_defaults(settings);
    namespace_defaults.cache_default = Some(cache_default::read(settings));
    let parameters = parameter_storage::read(settings);
    let storing = storing::read(settings);
    let features = api::read_features(settings);
    let transaction_header = api::read_transaction_header(settings);
    let healthy_share = api::read_healthy_share(settings);
    let info = ApiInfo {
        build: settings.value("whisk.info.date", "unknown".to_owned()),
        build_number: settings.value("whisk.info.build-no", env!("CARGO_PKG_VERSION").to_owned()),
    };
    ControllerConfig {
        limits,
        namespace_defaults,
        parameters,
        storing,
        features,
        transaction_header,
        healthy_share,
        delivery: delivery::read(settings),
        ..ControllerConfig::new(Arc::new(manifest), info)
    }
}

/// As many connections as the process may have files for. Raises that limit as far as it may.
#[must_use]
pub fn server_config() -> ServerConfig {
    let default = ServerConfig::default();
    match open_files::raise_limit() {
        Ok(files) => ServerConfig { max_connections: open_files::connections(files), ..default },
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files, many connections may exhaust it");
            default
        }
    }
}
