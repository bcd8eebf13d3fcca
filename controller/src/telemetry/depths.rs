//! How long the queues are, which only the bus knows, and a scrape must not wait for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use oxwhisk_events::BusState;
use oxwhisk_messaging::{Bus, Topic};
use oxwhisk_metrics::{Page, Source};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Topics whose length says how far work is behind.
const TOPICS: [Topic; 4] = [Topic::Activations, Topic::Parked, Topic::Completed, Topic::DeadLetters];
/// Longest wait for the bus to say how long a topic is.
const LIMIT: Duration = Duration::from_secs(10);
/// Not known yet, or not any more.
const UNKNOWN: i64 = -1;

/// What a scrape shows: the lengths that were asked for at the one before.
#[derive(Debug)]
struct Shown {
    bus: Arc<dyn Bus>,
    state: BusState,
    lengths: [AtomicI64; TOPICS.len()],
    /// Somebody has scraped.
    wanted: Notify,
    asking: AtomicBool,
}

/// Asks the bus, each time that somebody has scraped: while nobody does, nothing is asked.
#[derive(Debug)]
pub(crate) struct Depths(Arc<Shown>);

impl Depths {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> (Arc<dyn Source>, Self) {
        let shown = Arc::new(Shown {
            state: BusState(Arc::clone(&bus)),
            bus,
            lengths: TOPICS.map(|_| AtomicI64::new(UNKNOWN)),
            wanted: Notify::new(),
            asking: AtomicBool::new(false),
        });
        (Arc::clone(&shown) as Arc<dyn Source>, Self(shown))
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.0.wanted.notified()).await.is_some() {
            if stop.run_until_cancelled(self.0.ask()).await.is_none() {
                return;
            }
        }
    }
}

impl Shown {
    async fn ask(&self) {
        self.asking.store(true, Relaxed);
        for (topic, shown) in TOPICS.iter().zip(&self.lengths) {
            let length = match tokio::time::timeout(LIMIT, self.bus.depth(*topic)).await {
                Ok(Ok(length)) => i64::try_from(length).unwrap_or(i64::MAX),
                Ok(Err(error)) => {
                    tracing::debug!(topic = topic.name(), %error, "cannot tell how long a queue is");
                    UNKNOWN
                }
                Err(_) => UNKNOWN,
            };
            shown.store(length, Relaxed);
        }
        self.asking.store(false, Relaxed);
    }
}

impl Source for Shown {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        if !self.asking.load(Relaxed) {
            self.wanted.notify_one();
        }
        self.state.write(page)?;
        let labels = TOPICS.map(|topic| [("topic", topic.name())]);
        let known =
            labels.iter().zip(&self.lengths).map(|(labels, length)| (&labels[..], length.load(Relaxed)));
        let known = known.filter(|(_, length)| *length != UNKNOWN);
        page.gauges("oxwhisk_bus_depth", "Messages that are not done, as of the scrape before.", known)
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_messaging::Message;
    use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
    use oxwhisk_metrics::Metrics;

    use super::*;

    #[tokio::test]
    async fn a_scrape_shows_what_the_one_before_asked_for() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(MemoryOptions::default()));
        for _ in 0..3 {
            bus.produce(Topic::Activations, Message::new("k", "m")).await.unwrap();
        }
        let (shown, depths) = Depths::new(bus);
        let (metrics, stop) = (Metrics::new(), CancellationToken::new());
        metrics.add(shown);
        let asking = tokio::spawn(depths.run(stop.clone()));
        let first = metrics.text();
        assert!(
            first.contains("oxwhisk_bus_available 1\n") && !first.contains("oxwhisk_bus_depth{"),
            "{first}"
        );
        let seen = async {
            while !metrics.text().contains("oxwhisk_bus_depth{topic=\"activations\"} 3\n") {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen).await.expect("the bus was asked");
        stop.cancel();
        asking.await.unwrap();
    }
}
