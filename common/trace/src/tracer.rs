//! Who begins spans.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;
use std::time::SystemTime;

use oxwhisk_core::trace::{SpanId, TraceContext, TraceId};
use rand::Rng as _;

use crate::sampling::SampleRate;
use crate::span::{FinishedSpan, Recording, Span, SpanKind};

/// Takes spans that have ended.
pub trait SpanSink: fmt::Debug + Send + Sync + 'static {
    /// Called in the middle of the work: must not wait.
    fn ended(&self, span: FinishedSpan);
}

/// Begins spans. Off by default, and then it passes on the contexts that came; clones record into the same sink.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Recorder>);

#[derive(Clone, Debug)]
struct Recorder {
    sink: Arc<dyn SpanSink>,
    rate: SampleRate,
}

impl Tracer {
    /// Records a share of the new traces, and those of which a caller says that they are recorded.
    #[must_use]
    pub fn new(sink: Arc<dyn SpanSink>, rate: SampleRate) -> Self {
        Self(Some(Recorder { sink, rate }))
    }

    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the work for a client, in its trace if it has one.
    pub fn entry(&self, name: &'static str, kind: SpanKind, client: Option<TraceContext>) -> Span {
        match (&self.0, client) {
            (Some(recorder), None) if recorder.rate.takes(rand::rng().random()) => {
                let trace = TraceId(NonZeroU128::MIN | rand::rng().random::<u128>());
                recorder.begin(name, kind, trace, None)
            }
            (_, client) => self.remote_child(name, kind, client),
        }
    }

    /// Begins what happens within a span of this service; nothing without one.
    pub fn child(&self, name: &'static str, kind: SpanKind, within: Option<TraceContext>) -> Span {
        self.within(name, kind, within, false)
    }

    /// Begins what happens within a span of another service; nothing without one.
    pub fn remote_child(&self, name: &'static str, kind: SpanKind, within: Option<TraceContext>) -> Span {
        self.within(name, kind, within, true)
    }

    fn within(&self, name: &'static str, kind: SpanKind, parent: Option<TraceContext>, remote: bool) -> Span {
        match (&self.0, parent) {
            (Some(recorder), Some(parent)) if parent.sampled => {
                recorder.begin(name, kind, parent.trace, Some((parent.span, remote)))
            }
            _ => Span::none(parent),
        }
    }
}

impl Recorder {
    fn begin(
        &self,
        name: &'static str,
        kind: SpanKind,
        trace: TraceId,
        parent: Option<(SpanId, bool)>,
    ) -> Span {
        let span = SpanId(NonZeroU64::MIN | rand::rng().random::<u64>());
        let start = SystemTime::now();
        let span = FinishedSpan {
            context: TraceContext { trace, span, sampled: true },
            parent: parent.map(|(span, _)| span),
            parent_is_remote: parent.is_some_and(|(_, remote)| remote),
            name,
            kind,
            start,
            end: start,
            attributes: Vec::new(),
            failure: None,
        };
        Span::recording(Recording { span, sink: Arc::clone(&self.sink) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::Value;

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<FinishedSpan>>);

    impl SpanSink for Kept {
        fn ended(&self, span: FinishedSpan) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn tracer(rate: SampleRate) -> (Tracer, Arc<Kept>) {
        let kept = Arc::new(Kept::default());
        (Tracer::new(Arc::clone(&kept) as Arc<dyn SpanSink>, rate), kept)
    }

    fn context(sampled: bool) -> Option<TraceContext> {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0{}", u8::from(sampled));
        Some(TraceContext::parse(&text).unwrap())
    }

    #[test]
    fn children_are_of_the_trace_and_end_before_their_parents() {
        let (tracer, kept) = tracer(SampleRate::ALL);
        let mut root = tracer.entry("request", SpanKind::Server, None);
        let mut child = tracer.child("dispatch", SpanKind::Client, root.context());
        child.set("attempt", || 1_u32);
        child.fail(|| "no room");
        drop(child);
        root.set("status", || 503_u16);
        drop(root);
        let spans = kept.0.lock().unwrap();
        let [child, root] = &spans[..] else { panic!("two spans: {spans:?}") };
        assert_eq!((root.name, root.parent, root.failure.as_deref()), ("request", None, None));
        assert_eq!(child.context.trace, root.context.trace);
        assert_eq!((child.parent, child.parent_is_remote), (Some(root.context.span), false));
        assert_eq!(child.failure.as_deref(), Some("no room"));
        assert_eq!(child.attributes, [("attempt", Value::Number(1))]);
        assert!(root.start <= child.start && child.end <= root.end);
    }

    #[test]
    fn a_clients_trace_is_gone_on_with_as_the_client_says() {
        let (tracer, kept) = tracer(SampleRate::NONE);
        let entered = tracer.entry("request", SpanKind::Server, context(true));
        assert_eq!(entered.context().map(|own| own.trace), context(true).map(|client| client.trace));
        assert_ne!(entered.context(), context(true));
        drop(entered);
        let span = kept.0.lock().unwrap().pop().unwrap();
        assert_eq!((span.parent, span.parent_is_remote), (context(true).map(|client| client.span), true));
        // Not to be recorded: it goes on unchanged.
        let entered = tracer.entry("request", SpanKind::Server, context(false));
        assert_eq!(entered.context(), context(false));
        drop(entered);
        assert!(tracer.entry("request", SpanKind::Server, None).context().is_none());
        assert!(tracer.child("dispatch", SpanKind::Client, None).context().is_none());
        assert!(kept.0.lock().unwrap().is_empty());
    }

    #[test]
    fn one_that_is_off_passes_contexts_on() {
        let tracer = Tracer::default();
        let mut span = tracer.entry("request", SpanKind::Server, context(true));
        span.set("never", || -> i64 { panic!("nobody sees it") });
        span.fail(|| -> String { panic!("nobody sees it") });
        assert_eq!(span.context(), context(true));
        assert!(!tracer.is_on());
    }
}
