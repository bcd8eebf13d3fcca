//! What one invoker counts. Plain atomics, which are read when somebody scrapes.

mod source;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use oxwhisk_metrics::Histogram;

use crate::pool::Start;
use crate::record::Outcome;
pub(crate) use source::InvokerSource;

#[derive(Debug)]
pub(crate) struct Metrics {
    warmed: AtomicU64,
    prewarmed: AtomicU64,
    cold: AtomicU64,
    recreated: AtomicU64,
    recreated_prewarm: AtomicU64,
    pub(crate) create_failures: AtomicU64,
    pub(crate) destroy_failures: AtomicU64,
    pub(crate) reschedules: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) records_not_kept: AtomicU64,
    pub(crate) late_logs: AtomicU64,
    wait: Histogram,
    init: Histogram,
    run: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            warmed: zero(),
            prewarmed: zero(),
            cold: zero(),
            recreated: zero(),
            recreated_prewarm: zero(),
            create_failures: zero(),
            destroy_failures: zero(),
            reschedules: zero(),
            refusals: zero(),
            records_not_kept: zero(),
            late_logs: zero(),
            wait: Histogram::of_seconds(),
            init: Histogram::of_seconds(),
            run: Histogram::of_seconds(),
        }
    }
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Activations by how they came to their container (OpenWhisk's `containerStart` labels).
    pub warmed: u64,
    pub prewarmed: u64,
    pub cold: u64,
    /// Cold, after idle containers were evicted to make room.
    pub recreated: u64,
    pub recreated_prewarm: u64,
    /// Containers that could not be made.
    pub create_failures: u64,
    /// Attempts to end a container that failed and were repeated.
    pub destroy_failures: u64,
    /// Activations put on another container because theirs was found dead or shutting down.
    pub reschedules: u64,
    /// Activations for which there was no room.
    pub refusals: u64,
    /// Records that the sink did not take.
    pub records_not_kept: u64,
    /// Activations whose logs were not there with the answer.
    pub late_logs: u64,
}

pub(crate) fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Metrics {
    pub(crate) fn container_start(&self, start: Start) {
        increment(match start {
            Start::Warmed => &self.warmed,
            Start::Prewarmed => &self.prewarmed,
            Start::Cold => &self.cold,
            Start::Recreated => &self.recreated,
            Start::RecreatedPrewarm => &self.recreated_prewarm,
        });
    }

    /// An activation that was received then, in milliseconds since the epoch, has run.
    pub(crate) fn ended(&self, received: i64, outcome: &Outcome) {
        let timing = outcome.timing;
        self.wait.record_ms(u64::try_from(timing.begun.saturating_sub(received)).unwrap_or(0));
        if let Some(init) = timing.init {
            self.init.record_ms(init);
        }
        self.run.record_ms(timing.run);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Snapshot {
            warmed: read(&self.warmed),
            prewarmed: read(&self.prewarmed),
            cold: read(&self.cold),
            recreated: read(&self.recreated),
            recreated_prewarm: read(&self.recreated_prewarm),
            create_failures: read(&self.create_failures),
            destroy_failures: read(&self.destroy_failures),
            reschedules: read(&self.reschedules),
            refusals: read(&self.refusals),
            records_not_kept: read(&self.records_not_kept),
            late_logs: read(&self.late_logs),
        }
    }
}
