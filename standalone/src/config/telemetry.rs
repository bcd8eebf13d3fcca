//! What is counted and told.

use oxwhisk_config::Settings;
use oxwhisk_events::settings::EventsConfig;

/// Whom the server tells what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Serve `GET /metrics` at the API's port.
    pub metrics_on_api: bool,
    pub events: EventsConfig,
}

pub(super) fn read(settings: &mut Settings) -> TelemetryConfig {
    TelemetryConfig {
        // On, as OpenWhisk's standalone server has it.
        metrics_on_api: settings.value("whisk.metrics.prometheus-enabled", true),
        events: oxwhisk_events::settings::read(settings),
    }
}
