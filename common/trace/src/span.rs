//! One span, from its beginning to its end.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use oxwhisk_core::id::TransactionId;
use oxwhisk_core::trace::{SpanId, TraceContext};

use crate::SpanSink;
use crate::marker::Marked;

/// What a span is to the one at the other end, in OpenTelemetry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    Internal,
    /// Serves a request.
    Server,
    /// Waits for an answer.
    Client,
    /// Puts a message on the bus.
    Producer,
    /// Works off a message of the bus.
    Consumer,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Cow<'static, str>),
    Number(i64),
    Flag(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedSpan {
    pub context: TraceContext,
    pub parent: Option<SpanId>,
    /// The parent is a span of another service.
    pub parent_is_remote: bool,
    pub name: &'static str,
    pub kind: SpanKind,
    pub start: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if something did.
    pub failure: Option<Cow<'static, str>>,
}

/// A span that goes on until it is dropped; or none, which only passes a context on.
#[must_use = "a span ends when it is dropped"]
pub struct Span {
    context: Option<TraceContext>,
    recording: Option<Box<Recording>>,
    marked: Option<Marked>,
    failed: bool,
}

pub(crate) struct Recording {
    pub(crate) span: FinishedSpan,
    pub(crate) sink: std::sync::Arc<dyn SpanSink>,
}

impl Span {
    /// Records nothing.
    pub const fn none(context: Option<TraceContext>) -> Self {
        Self { context, recording: None, marked: None, failed: false }
    }

    pub(crate) fn recording(recording: Recording) -> Self {
        let context = Some(recording.span.context);
        Self { context, recording: Some(Box::new(recording)), marked: None, failed: false }
    }

    /// Has the log tell of its beginning, now, and of its end. `token` is OpenWhisk's: `invoker_activationRun`. `received`
    /// is when the request came, in milliseconds since the epoch.
    pub fn marked(mut self, token: &'static str, received: i64) -> Self {
        self.marked = Marked::begin(token, received, None);
        self
    }

    /// As [`Span::marked`], for a step that begins or ends outside of the request whose transaction this is.
    pub fn marked_for(mut self, token: &'static str, received: i64, transaction: &TransactionId) -> Self {
        self.marked = Marked::begin(token, received, Some(transaction));
        self
    }

    /// What happens within this span belongs here.
    #[must_use]
    pub const fn context(&self) -> Option<TraceContext> {
        self.context
    }

    /// Says something about it, instead of what was said under this key; `value` is made only if somebody will see it.
    pub fn set<V: Into<Value>>(&mut self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(recording) = &mut self.recording {
            let attributes = &mut recording.span.attributes;
            match attributes.iter_mut().find(|(known, _)| *known == key) {
                Some((_, said)) => *said = value().into(),
                None => attributes.push((key, value().into())),
            }
        }
    }

    /// It failed; `reason` is made only if somebody will see it.
    pub fn fail<T: Into<Cow<'static, str>>>(&mut self, reason: impl FnOnce() -> T) {
        self.failed = true;
        if let Some(recording) = &mut self.recording {
            recording.span.failure = Some(reason().into());
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(marked) = self.marked.take() {
            marked.end(self.failed);
        }
        if let Some(recording) = self.recording.take() {
            let Recording { mut span, sink } = *recording;
            // A clock that was set back does not end it before its beginning.
            span.end = SystemTime::now().max(span.start);
            sink.ended(span);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.recording.as_ref().map(|recording| recording.span.name);
        f.debug_struct("Span").field("name", &name).field("context", &self.context).finish()
    }
}
