//! Counters of one invoker. Plain atomics: whoever exports metrics reads a [`Snapshot`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::pool::Start;

#[derive(Debug, Default)]
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
