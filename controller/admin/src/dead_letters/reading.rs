//! Going through the letters once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_messaging::{
    Bus, BusError, Completer, Delivery, DeliveryId, Event, Partition, Subscription, Topic,
};

/// Letters in memory at once; the bus bounds their bytes.
const BATCH: usize = 64;
/// How long the bus may take to hand out the next ones.
const PATIENCE: Duration = Duration::from_millis(500);

/// Hands out every letter that there was at its beginning. What is not completed is there again for the next.
#[derive(Debug)]
pub(super) struct Reading {
    subscription: Box<dyn Subscription>,
    completer: Arc<dyn Completer>,
    /// Partitions whose letters were not all handed out yet.
    open: BTreeSet<Partition>,
    begun: bool,
}

impl Reading {
    pub(super) async fn begin(bus: &dyn Bus) -> Result<Self, BusError> {
        let subscription = bus.subscribe(Topic::DeadLetters).await?;
        let completer = subscription.completer();
        Ok(Self { completer, subscription, open: BTreeSet::new(), begun: false })
    }

    /// The next letters; none at the end.
    pub(super) async fn batch(&mut self) -> Result<Vec<Delivery>, BusError> {
        while !self.begun || !self.open.is_empty() {
            let Ok(event) = tokio::time::timeout(PATIENCE, self.subscription.next(BATCH)).await else {
                break;
            };
            match event? {
                Event::Messages(letters) => return Ok(letters),
                Event::Assigned(partition) => {
                    self.begun = true;
                    self.open.insert(partition);
                }
                Event::CaughtUp(partition) | Event::Revoked(partition) => {
                    self.open.remove(&partition);
                }
                Event::Withdrawn(_) => {}
            }
        }
        Ok(Vec::new())
    }

    pub(super) async fn complete(&mut self, letter: DeliveryId) -> Result<(), BusError> {
        self.completer.complete(&[letter]).await
    }
}
