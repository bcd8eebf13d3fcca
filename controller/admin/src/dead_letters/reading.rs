//! Going through the letters once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_messaging::{
    Bus, BusError, Completer, Delivery, DeliveryId, Event, Partition, Subscription, Topic,
};

/// Letters in memory at once; the bus bounds their bytes.
const BATCH: usize = 64;
/// How long the bus may take to give this reader all letters: a group may have to agree who has what first.
const GATHERING: Duration = Duration::from_secs(12);
/// How long it may take to hand out the next ones.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands out every letter that there was at its beginning. What is not completed is there again for the next.
///
/// On a bus with partitions a reader has all of them or none: a part of the letters looks like all of them.
#[derive(Debug)]
pub(super) struct Reading {
    subscription: Box<dyn Subscription>,
    completer: Arc<dyn Completer>,
    /// Partitions whose letters were not all handed out yet.
    open: BTreeSet<Partition>,
    /// Letters that came before all partitions did.
    early: VecDeque<Delivery>,
    partitions: usize,
    begun: bool,
}

impl Reading {
    pub(super) async fn begin(bus: &dyn Bus) -> Result<Self, BusError> {
        let partitions = bus.partitions(Topic::DeadLetters).await? as usize;
        let subscription = bus.subscribe(Topic::DeadLetters).await?;
        let completer = subscription.completer();
        let (open, early) = (BTreeSet::new(), VecDeque::new());
        Ok(Self { completer, subscription, open, early, partitions, begun: false })
    }

    /// The next letters; none at the end.
    pub(super) async fn batch(&mut self) -> Result<Vec<Delivery>, BusError> {
        if !self.begun {
            self.gather().await?;
        }
        loop {
            if !self.early.is_empty() {
                return Ok(self.early.drain(..self.early.len().min(BATCH)).collect());
            }
            if self.open.is_empty() {
                return Ok(Vec::new());
            }
            let next = tokio::time::timeout(PATIENCE, self.next()).await;
            next.map_err(|_| {
                BusError::Unavailable("the dead letters were not handed out in time".to_owned())
            })??;
        }
    }

    /// Waits until every partition is this reader's.
    async fn gather(&mut self) -> Result<(), BusError> {
        let mut seen = 0;
        let gathered = async {
            while seen < self.partitions {
                if self.next().await? {
                    seen += 1;
                }
            }
            Ok::<(), BusError>(())
        };
        match tokio::time::timeout(GATHERING, gathered).await {
            Ok(gathered) => gathered?,
            Err(_) => {
                let all = self.partitions;
                let text =
                    format!("{seen} of {all} parts of the dead letters are here: somebody else reads them");
                return Err(BusError::Unavailable(text));
            }
        }
        self.begun = true;
        Ok(())
    }

    /// Takes the next event in. Says whether it was a partition that came.
    async fn next(&mut self) -> Result<bool, BusError> {
        match self.subscription.next(BATCH).await? {
            Event::Messages(letters) => self.early.extend(letters),
            Event::Assigned(partition) => {
                self.open.insert(partition);
                return Ok(true);
            }
            Event::CaughtUp(partition) => {
                self.open.remove(&partition);
            }
            Event::Revoked(_) => {
                let text = "somebody else reads the dead letters, too";
                return Err(BusError::Unavailable(text.to_owned()));
            }
            Event::Withdrawn(ids) => self.early.retain(|letter| !ids.contains(&letter.id)),
        }
        Ok(false)
    }

    pub(super) async fn complete(&mut self, letter: DeliveryId) -> Result<(), BusError> {
        self.completer.complete(&[letter]).await
    }
}
