//! Who is told of what the invoker does.

use std::sync::Arc;

use oxwhisk_events::{ActionMetrics, BusState, Outlets, Publisher};
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
    let ended = observer(config, name, bus, metrics, tasks);
    let tracer = tracer(config, name, metrics, tasks)?;
    Ok(InvokerTelemetry { tracer, ended })
}

fn observer(
    config: &TelemetryConfig,
    name: &str,
    bus: Arc<dyn Bus>,
    metrics: &Metrics,
    tasks: &Shutdown,
) -> Option<Arc<dyn EndedObserver>> {
    let most = config.events.actions;
    let actions = (most > 0).then(|| Arc::new(ActionMetrics::new(most)));
    if let Some(actions) = &actions {
        metrics.add(Arc::clone(actions) as _);
    }
    let outlets = Outlets { bus: config.events.published.then_some(bus), actions };
    if outlets.are_none() {
        return None;
    }
    let (events, publisher) = Publisher::new(name, outlets);
    metrics.add(publisher.counts());
    tasks.spawn("user events", publisher.run(tasks.token()));
    Some(Arc::new(events))
}

fn tracer(
    config: &TelemetryConfig,
    name: &str,
    metrics: &Metrics,
    tasks: &Shutdown,
) -> Result<Tracer, Refusal> {
    let Some(collector) = &config.collector else { return Ok(Tracer::default()) };
    let (tracer, exporter) =
        oxwhisk_otlp::start(collector, "invoker", name).map_err(|error| Refusal::new(Exit::Config, error))?;
    metrics.add(exporter.counts());
    tasks.spawn("traces", exporter.run(tasks.token()));
    Ok(tracer)
}
