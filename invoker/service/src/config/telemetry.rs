//! Who is told of what the invoker does.

use oxwhisk_config::Settings;
use oxwhisk_events::settings::EventsConfig;
use oxwhisk_otlp::Collector;

#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    pub events: EventsConfig,
    /// Where traces go; `None`: none are made.
    pub collector: Option<Collector>,
}

pub(super) fn read(settings: &mut Settings) -> TelemetryConfig {
    TelemetryConfig {
        events: oxwhisk_events::settings::read(settings),
        collector: oxwhisk_otlp::settings::read(settings),
    }
}
