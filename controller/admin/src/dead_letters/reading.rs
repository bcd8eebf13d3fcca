//! Going through the letters once.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_messaging::{Bus, BusError, Completer, Delivery, DeliveryId, Subscription, Topic};

/// Letters in memory at once; the bus bounds their bytes.
const BATCH: usize = 64;
/// How long letters may take to come that the depth promises. It may count some whose completion is being written.
const PATIENCE: Duration = Duration::from_millis(500);

/// Hands out every letter that there was at its beginning. What is not completed is there again for the next.
#[derive(Debug)]
pub(super) struct Reading {
    subscription: Box<dyn Subscription>,
    completer: Arc<dyn Completer>,
    left: u64,
}

impl Reading {
    pub(super) async fn begin(bus: &dyn Bus) -> Result<Self, BusError> {
        let left = bus.depth(Topic::DeadLetters).await?;
        let subscription = bus.subscribe(Topic::DeadLetters).await?;
        Ok(Self { completer: subscription.completer(), subscription, left })
    }

    /// The next letters; none at the end.
    pub(super) async fn batch(&mut self) -> Result<Vec<Delivery>, BusError> {
        let most = usize::try_from(self.left).unwrap_or(BATCH).min(BATCH);
        if most == 0 {
            return Ok(Vec::new());
        }
        match tokio::time::timeout(PATIENCE, self.subscription.next(most)).await {
            Ok(batch) => {
                let batch = batch?;
                self.left -= batch.len() as u64;
                Ok(batch)
            }
            Err(_elapsed) => {
                self.left = 0;
                Ok(Vec::new())
            }
        }
    }

    pub(super) async fn complete(&mut self, letter: DeliveryId) -> Result<(), BusError> {
        self.completer.complete(&[letter]).await
    }
}
