//! Who is told of what the server does.

use std::sync::Arc;

use oxwhisk_controller::Telemetry;
use oxwhisk_events::{ActionMetrics, Outlets, Publisher, UserEvents};
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
    let actions = (config.events.actions > 0).then(|| Arc::new(ActionMetrics::new(config.events.actions)));
    if let Some(actions) = &actions {
        metrics.add(Arc::clone(actions) as _);
    }
    let outlets = Outlets { bus: config.events.published.then(|| Arc::clone(bus)), actions };
    let events = if outlets.are_none() {
        UserEvents::default()
    } else {
        let (events, publisher) = Publisher::new("standalone0", outlets);
        metrics.add(publisher.counts());
        tasks.spawn("user events", publisher.run(tasks.token()));
        events
    };
    let ended = events.is_on().then(|| Arc::new(events.clone()) as Arc<dyn EndedObserver>);
    let invoker = InvokerTelemetry { ended, ..InvokerTelemetry::default() };
    let controller =
        Telemetry { metrics, metrics_on_api: config.metrics_on_api, events, ..Telemetry::default() };
    Told { controller, invoker }
}
