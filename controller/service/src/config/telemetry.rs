//! Who is told of what the controller does.

use oxwhisk_config::Settings;
use oxwhisk_events::settings::EventsConfig;
use oxwhisk_otlp::Collector;

#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Serve `GET /metrics` at the API's port, too.
    pub metrics_on_api: bool,
    pub events: EventsConfig,
    /// Where traces go; `None`: none are made.
    pub collector: Option<Collector>,
}

pub(super) fn read(settings: &mut Settings) -> TelemetryConfig {
    TelemetryConfig {
        // Off, as OpenWhisk's controllers have it: there may be no edge between this port and the world.
        metrics_on_api: settings.value("whisk.metrics.prometheus-enabled", false),
        events: oxwhisk_events::settings::read(settings),
        collector: oxwhisk_otlp::settings::read(settings),
    }
}
