//! Who is told of what the controller does.

use std::sync::Arc;

use oxwhisk_controller::Telemetry;
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
    let opened = config.events.open(name, bus, &metrics);
    let events = opened.map(|(events, publisher)| {
        tasks.spawn("user events", publisher.run(tasks.token()));
        events
    });
    let tracer = match &config.collector {
        Some(collector) => {
            let (tracer, exporter) = oxwhisk_otlp::start(collector, "controller", name)
                .map_err(|error| Refusal::new(Exit::Config, error))?;
            metrics.add(exporter.counts());
            tasks.spawn("traces", exporter.run(tasks.token()));
            tracer
        }
        None => Tracer::default(),
    };
    Ok(Telemetry {
        metrics,
        metrics_on_api: config.metrics_on_api,
        tracer,
        events: events.unwrap_or_default(),
    })
}
