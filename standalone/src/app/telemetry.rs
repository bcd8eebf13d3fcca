//! Who is told of what the server does.

use std::sync::Arc;

use oxwhisk_controller::Telemetry;
use oxwhisk_invoker::InvokerTelemetry;
use oxwhisk_invoker_api::EndedObserver;
use oxwhisk_messaging::Bus;
use oxwhisk_metrics::Metrics;
use oxwhisk_service::Shutdown;

use crate::config::TelemetryConfig;

/// For both sides of the server, from one registry and one queue of events.
pub(super) struct Told {
    pub(super) controller: Telemetry,
    pub(super) invoker: InvokerTelemetry,
}

/// The publisher of events runs on `tasks`.
pub(super) fn start(config: TelemetryConfig, bus: &Arc<dyn Bus>, tasks: &Shutdown) -> Told {
    let metrics = Metrics::new();
    let opened = config.events.open("standalone0", Arc::clone(bus), &metrics);
    let events = opened.map(|(events, publisher)| {
        tasks.spawn("user events", publisher.run(tasks.token()));
        events
    });
    let ended = events.clone().map(|events| Arc::new(events) as Arc<dyn EndedObserver>);
    let invoker = InvokerTelemetry { ended, ..InvokerTelemetry::default() };
    let controller = Telemetry {
        metrics,
        metrics_on_api: config.metrics_on_api,
        events: events.unwrap_or_default(),
        ..Telemetry::default()
    };
    Told { controller, invoker }
}
