//! Taking events without waiting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use oxwhisk_core::entity::Activation;
use oxwhisk_core::event::Metric;
use oxwhisk_invoker_api::{Caller, EndedObserver};
use oxwhisk_metrics::{Counter, Page, Source};
use tokio::sync::mpsc;

/// Events that may wait.
const QUEUE: usize = 16_384;
/// Bytes of results and logs that records in waiting may keep alive.
const QUEUE_BYTES: usize = 16 << 20;
/// What a record takes beside those.
const RECORD: usize = 1024;

/// Where events are told; off by default. Clones tell the same publisher.
#[derive(Clone, Debug, Default)]
pub struct UserEvents(Option<Queue>);

#[derive(Clone, Debug)]
struct Queue {
    sender: mpsc::Sender<Told>,
    counts: Arc<Counts>,
}

/// What became of events.
#[derive(Debug, Default)]
pub struct Counts {
    pub(crate) published: Counter,
    /// Nobody took them in time: the bus was away or slow.
    pub(crate) dropped: Counter,
    /// Bytes of what waits.
    waiting: AtomicUsize,
}

/// One event, before it is text.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) caller: Caller,
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
    pub(crate) what: What,
    weight: usize,
}

#[derive(Debug)]
pub(crate) enum What {
    Activation(Arc<Activation>),
    Metric(Metric, u64),
}

impl UserEvents {
    pub(crate) fn new(counts: Arc<Counts>) -> (Self, mpsc::Receiver<Told>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(Some(Queue { sender, counts })), receiver)
    }

    /// Whether anybody is told.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// An activation of `caller` has ended.
    pub fn activation(&self, caller: &Caller, record: &Arc<Activation>) {
        if let Some(queue) = &self.0 {
            queue.tell(caller, What::Activation(Arc::clone(record)), weight(record));
        }
    }

    /// `caller` ran into a limit, or has so much running.
    pub fn metric(&self, caller: &Caller, metric: Metric, value: u64) {
        if let Some(queue) = &self.0 {
            queue.tell(caller, What::Metric(metric, value), 0);
        }
    }
}

impl EndedObserver for UserEvents {
    fn ended(&self, caller: &Caller, record: &Arc<Activation>) {
        self.activation(caller, record);
    }
}

fn weight(record: &Activation) -> usize {
    let result = record.response.result.as_ref().map_or(0, |result| result.get().len());
    RECORD + result + record.logs.iter().map(String::len).sum::<usize>()
}

impl Queue {
    fn tell(&self, caller: &Caller, what: What, weight: usize) {
        if self.counts.waiting.fetch_add(weight, Relaxed) > QUEUE_BYTES {
            return self.drop(weight);
        }
        let told = Told { caller: caller.clone(), at: now_ms(), what, weight };
        if self.sender.try_send(told).is_err() {
            self.drop(weight);
        }
    }

    fn drop(&self, weight: usize) {
        self.counts.waiting.fetch_sub(weight, Relaxed);
        self.counts.dropped.increment();
    }
}

impl Counts {
    /// An event was taken out of the queue.
    pub(crate) fn taken(&self, told: &Told) {
        self.waiting.fetch_sub(told.weight, Relaxed);
    }
}

impl Source for Counts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "User events that were published.";
        page.counter("oxwhisk_user_events_published", help, self.published.get())?;
        let help = "User events that nobody took in time.";
        page.counter("oxwhisk_user_events_dropped", help, self.dropped.get())
    }
}

/// Milliseconds since the epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publisher::tests::{caller, record};

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_in_bytes() {
        let counts = Arc::new(Counts::default());
        let (events, mut queue) = UserEvents::new(Arc::clone(&counts));
        let mut large = record("guest/hello");
        large.logs = vec!["x".repeat(1 << 20)];
        let large = Arc::new(large);
        (0..40).for_each(|_| events.activation(&caller(), &large));
        let mut taken = 0;
        while let Ok(told) = queue.try_recv() {
            counts.taken(&told);
            taken += 1;
        }
        assert_eq!((taken, counts.dropped.get()), (16, 24));
        assert_eq!(counts.waiting.load(Relaxed), 0);
        let more = 10;
        (0..QUEUE + more).for_each(|_| events.metric(&caller(), Metric::TimedRateLimit, 1));
        assert_eq!(counts.dropped.get(), 24 + more as u64);
    }

    #[test]
    fn off_tells_nobody() {
        let events = UserEvents::default();
        assert!(!events.is_on());
        events.metric(&caller(), Metric::TimedRateLimit, 1);
    }
}
