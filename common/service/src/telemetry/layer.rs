//! Joins events with the fields of the spans they happen in.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use super::fields::Fields;
use super::line::Line;
use super::writer::LineWriter;

/// Turns every event that passes the filter into a line.
pub(crate) struct LogLayer {
    format: LogFormat,
    color: bool,
    writer: Arc<LineWriter>,
}

impl fmt::Debug for LogLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLayer").field("format", &self.format).finish_non_exhaustive()
    }
}

impl LogLayer {
    pub(crate) fn new(format: LogFormat, color: bool, writer: Arc<LineWriter>) -> Self {
        Self { format, color, writer }
    }
}

/// Adds the fields of the spans around an event, the innermost first; what is there already stays.
fn add_span_fields<S>(event: &Event<'_>, context: &Context<'_, S>, fields: &mut Fields)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    for span in context.event_scope(event).into_iter().flatten() {
        let extensions = span.extensions();
        let Some(outer) = extensions.get::<Fields>() else { continue };
        if fields.transaction.is_none() {
            fields.transaction.clone_from(&outer.transaction);
        }
        for (name, value) in &outer.others {
            fields.others.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        add_span_fields(event, &context, &mut fields);
        let line = Line {
            time: Timestamp::now(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: &fields.message,
            transaction: fields.transaction.as_deref(),
            marker: fields.marker.as_deref(),
            fields: &fields.others,
        };
        self.writer.send(line.render(self.format, self.color));
    }
}
