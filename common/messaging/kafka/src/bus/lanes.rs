//! The bus's side of lanes.

use async_trait::async_trait;
use oxwhisk_messaging::{BusError, LaneBus, LaneSubscription, Message, Partition, Topic};

use super::{KafkaBus, Running, RunningLanes};
use crate::lanes;

#[async_trait]
impl LaneBus for KafkaBus {
    async fn choose_lane(&self, route: &str) -> Result<Partition, BusError> {
        self.0.open()?;
        let topic = Topic::Activations;
        let count = self.0.producer.partitions(topic.name(), &self.0.names.topic(topic)).await?;
        Ok(Partition(self.0.choose(topic, route, count)))
    }

    async fn append(&self, topic: Topic, lane: Partition, message: Message) -> Result<u64, BusError> {
        topic.must_have_lanes()?;
        self.0.open()?;
        self.0.append(topic, Some(lane.0), message).await
    }

    async fn withdraw_from(&self, lane: Partition, key: &str) -> Result<(), BusError> {
        self.0.open()?;
        self.0.withdraw(Topic::InFlight, Some(lane.0), key).await
    }

    async fn subscribe_lanes(&self) -> Result<Box<dyn LaneSubscription>, BusError> {
        let mut lanes = self.0.lanes.lock().await;
        self.0.open()?;
        if let Some(running) = &mut *lanes {
            if running.is_subscribed() {
                return Err(BusError::Unavailable("the lanes have a subscription already".to_owned()));
            }
            // The member of the group has the same name, and its last commit is still on the way.
            running.ended().await;
        }
        let begun = lanes::begin(&self.0.config, &self.0.status);
        let (running, subscription) = begun.map_err(|error| BusError::Unavailable(error.to_string()))?;
        *lanes = Some(running);
        Ok(Box::new(subscription))
    }
}

impl KafkaBus {
    /// Ends at once and writes nothing more, as if the process had died: for tests of what others make of that.
    #[doc(hidden)]
    pub async fn abandon(&self) {
        self.0.closing.cancel();
        self.0.closed.cancel();
        self.0.subscriptions.lock().await.values().for_each(Running::abandon);
        self.0.lanes.lock().await.iter().for_each(RunningLanes::abandon);
    }
}
