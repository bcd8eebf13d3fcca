//! Our spans in OpenTelemetry's types. Pure.

use std::borrow::Cow;

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind as TheirKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value as TheirValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use oxwhisk_core::trace::TraceContext;
use oxwhisk_trace::{FinishedSpan, SpanKind, Value};

pub(crate) fn span_data(span: FinishedSpan, scope: &InstrumentationScope) -> SpanData {
    let attribute = |(key, value): (&'static str, Value)| KeyValue::new(key, value_of(value));
    SpanData {
        span_context: context(span.context),
        parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| parent.0.get().into()),
        parent_span_is_remote: span.parent_is_remote,
        span_kind: kind(span.kind),
        name: Cow::Borrowed(span.name),
        start_time: span.start,
        end_time: span.end,
        attributes: span.attributes.into_iter().map(attribute).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: span.failure.map_or(Status::Unset, Status::error),
        instrumentation_scope: scope.clone(),
    }
}

fn context(of: TraceContext) -> SpanContext {
    let trace = TraceId::from(of.trace.0.get());
    let span = SpanId::from(of.span.0.get());
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn kind(kind: SpanKind) -> TheirKind {
    match kind {
        SpanKind::Internal => TheirKind::Internal,
        SpanKind::Server => TheirKind::Server,
        SpanKind::Client => TheirKind::Client,
        SpanKind::Producer => TheirKind::Producer,
        SpanKind::Consumer => TheirKind::Consumer,
    }
}

fn value_of(value: Value) -> TheirValue {
    match value {
        Value::Text(Cow::Borrowed(text)) => text.into(),
        Value::Text(Cow::Owned(text)) => text.into(),
        Value::Number(number) => number.into(),
        Value::Flag(flag) => flag.into(),
    }
}
