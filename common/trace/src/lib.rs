//! Spans of traces that cross services.
//!
//! A [`Tracer`] begins a [`Span`], whose [`Span::context`] travels with the work: in `traceparent` headers, in a field of
//! dispatches and of messages on the bus. When the span is dropped, it goes to a [`SpanSink`], which exports it.
//!
//! A span may also be *marked*: then the log tells of its beginning and its end with the markers that scripts and
//! dashboards for OpenWhisk look for, if the filter of the log lets lines of [`MARKERS`] through.
//!
//! These are not spans of `tracing`: a trace goes through messages and streams where no task and no thread goes with it,
//! so contexts are passed by hand, and what is not recorded must cost nothing: a span of a tracer that is off is a copied
//! context and no allocation.

mod marker;
mod sampling;
mod span;
mod tracer;

pub use marker::{MARKERS, count};
pub use sampling::SampleRate;
pub use span::{FinishedSpan, Span, SpanKind, Value};
pub use tracer::{SpanSink, Tracer};
