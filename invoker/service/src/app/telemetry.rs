//! Who is told of what the invoker does.

use std::sync::Arc;

use oxwhisk_events::BusState;
use oxwhisk_invoker::InvokerTelemetry;
use oxwhisk_invoker_api::EndedObserver;
use oxwhisk_messaging::Bus;
use oxwhisk_metrics::Metrics;
use oxwhisk_service::Shutdown;
use oxwhisk_settings::{Exit, Refusal};
use oxwhisk_trace::Tracer;

use crate::config::TelemetryConfig;

/// What is published and exported goes out on `tasks`, which end before the bus is closed. `name` is the invoker's among
/// all: `invoker0`.
pub(super) fn start(
    config: &TelemetryConfig,
    name: &str,
    bus: Arc<dyn Bus>,
    metrics: &Metrics,
    tasks: &Shutdown,
) -> Result<InvokerTelemetry, Refusal> {
    metrics.add(Arc::new(BusState(Arc::clone(&bus))));
    let opened = config.events.open(name, bus, metrics);
    let ended = opened.map(|(events, publisher)| {
        tasks.spawn("user events", publisher.run(tasks.token()));
        Arc::new(events) as Arc<dyn EndedObserver>
    });
    let tracer = match &config.collector {
        Some(collector) => {
            let (tracer, exporter) = oxwhisk_otlp::start(collector, "invoker", name)
                .map_err(|error| Refusal::new(Exit::Config, error))?;
            metrics.add(exporter.counts());
            tasks.spawn("traces", exporter.run(tasks.token()));
            tracer
        }
        None => Tracer::default(),
    };
    Ok(InvokerTelemetry { tracer, ended })
}
