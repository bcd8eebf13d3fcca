//! From the work to the exporter, without waiting.

use std::fmt;
use std::sync::Arc;

use oxwhisk_metrics::{Counter, Page, Source};
use oxwhisk_trace::{FinishedSpan, SpanSink};
use tokio::sync::mpsc;

/// Spans that may wait, at some 500 bytes each.
const QUEUE: usize = 8192;

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counts {
    pub(crate) exported: Counter,
    pub(crate) dropped: Counter,
}

#[derive(Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<FinishedSpan>,
    counts: Arc<Counts>,
}

impl Queue {
    pub(crate) fn new(counts: Arc<Counts>) -> (Self, mpsc::Receiver<FinishedSpan>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender, counts }, receiver)
    }
}

impl SpanSink for Queue {
    fn ended(&self, span: FinishedSpan) {
        if self.sender.try_send(span).is_err() {
            self.counts.dropped.increment();
        }
    }
}

impl Source for Counts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter("oxwhisk_spans_exported", "Spans that the collector took.", self.exported.get())?;
        page.counter("oxwhisk_spans_dropped", "Spans that nobody took in time.", self.dropped.get())
    }
}
