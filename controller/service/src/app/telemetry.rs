//! Who is told of what the controller does.

use std::sync::Arc;

use oxwhisk_controller::Telemetry;
use oxwhisk_events::{ActionMetrics, Outlets, Publisher, UserEvents};
use oxwhisk_messaging::Bus;
use oxwhisk_metrics::Metrics;
use oxwhisk_service::Shutdown;
use oxwhisk_settings::{Exit, Refusal};
use oxwhisk_trace::Tracer;

use crate::config::TelemetryConfig;

/// What is published and exported goes out on `tasks`, which end before the bus is closed.
pub(super) fn start(
    config: &TelemetryConfig,
    name: &str,
    bus: Arc<dyn Bus>,
    tasks: &Shutdown,
) -> Result<Telemetry, Refusal> {
    let metrics = Metrics::new();
    let events = events(config, name, bus, &metrics, tasks);
    let tracer = tracer(config, name, &metrics, tasks)?;
    Ok(Telemetry { metrics, metrics_on_api: config.metrics_on_api, tracer, events })
}

fn events(
    config: &TelemetryConfig,
    name: &str,
    bus: Arc<dyn Bus>,
    metrics: &Metrics,
    tasks: &Shutdown,
) -> UserEvents {
    let most = config.events.actions;
    let actions = (most > 0).then(|| Arc::new(ActionMetrics::new(most)));
    if let Some(actions) = &actions {
        metrics.add(Arc::clone(actions) as _);
    }
    let outlets = Outlets { bus: config.events.published.then_some(bus), actions };
    if outlets.are_none() {
        return UserEvents::default();
    }
    let (events, publisher) = Publisher::new(name, outlets);
    metrics.add(publisher.counts());
    tasks.spawn("user events", publisher.run(tasks.token()));
    events
}

fn tracer(
    config: &TelemetryConfig,
    name: &str,
    metrics: &Metrics,
    tasks: &Shutdown,
) -> Result<Tracer, Refusal> {
    let Some(collector) = &config.collector else { return Ok(Tracer::default()) };
    let (tracer, exporter) = oxwhisk_otlp::start(collector, "controller", name)
        .map_err(|error| Refusal::new(Exit::Config, error))?;
    metrics.add(exporter.counts());
    tasks.spawn("traces", exporter.run(tasks.token()));
    Ok(tracer)
}
