//! Spans to an OpenTelemetry collector, over OTLP.
//!
//! [`start`] gives a [`Tracer`](oxwhisk_trace::Tracer) and an [`Exporter`] that a task of the caller's runs. Between them
//! is a bounded queue: a span that finds it full is dropped and counted, and no work waits for a collector.
//!
//! The exporter is OpenTelemetry's own; its SDK, with a provider for the whole process and a thread for its batches, is
//! not used.

mod convert;
mod exporter;
mod queue;
#[cfg(feature = "settings")]
pub mod settings;

pub use exporter::{Collector, Exporter, StartError, start};
pub use queue::Counts;
