//! Takes what a subscription has to say, and checks the order that all of it must have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::DEADLINE;
use crate::{
    Barrier, BusError, LaneControl, LaneEvent, LaneMessage, LaneSubscription, Partition, Topic, Wanted,
};

pub(super) const EVERYTHING: Wanted = Wanted { activations: true, parked: true };

pub(super) struct Reader {
    subscription: Box<dyn LaneSubscription>,
    pub(super) control: Arc<dyn LaneControl>,
    pub(super) wanted: Wanted,
    pub(super) owned: BTreeSet<Partition>,
    pub(super) caught_up: BTreeSet<Partition>,
    pub(super) lost: BTreeSet<Partition>,
    pub(super) barriers: BTreeSet<Barrier>,
    /// What came, by topic, in the order in which it came.
    messages: BTreeMap<&'static str, Vec<LaneMessage>>,
    /// The last offset of each lane and topic.
    last: BTreeMap<(Partition, &'static str), u64>,
}

impl Reader {
    pub(super) fn new(subscription: Box<dyn LaneSubscription>) -> Self {
        Self {
            control: subscription.control(),
            subscription,
            wanted: EVERYTHING,
            owned: BTreeSet::new(),
            caught_up: BTreeSet::new(),
            lost: BTreeSet::new(),
            barriers: BTreeSet::new(),
            messages: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    pub(super) async fn next(&mut self) -> Result<LaneEvent, BusError> {
        let next = self.subscription.next(self.wanted, 3);
        tokio::time::timeout(DEADLINE, next).await.expect("an event in time")
    }

    pub(super) fn subscription(&mut self) -> &mut dyn LaneSubscription {
        &mut *self.subscription
    }

    /// Takes one event.
    pub(super) async fn take(&mut self) {
        match self.next().await.unwrap() {
            LaneEvent::Assigned(lane) => {
                assert!(self.owned.insert(lane), "{lane:?} was assigned twice");
                self.lost.remove(&lane);
                self.last.retain(|(of, _), _| *of != lane);
            }
            LaneEvent::Revoked(lane) => {
                assert!(self.owned.remove(&lane), "{lane:?} was not owned");
                self.caught_up.remove(&lane);
                self.lost.insert(lane);
            }
            LaneEvent::CaughtUp(lane) => {
                assert!(self.owned.contains(&lane), "{lane:?} is not owned");
                assert!(self.caught_up.insert(lane), "{lane:?} was caught up with already");
            }
            LaneEvent::Barrier(barrier) => assert!(self.barriers.insert(barrier), "{barrier:?} came twice"),
            LaneEvent::Messages { topic, messages } => {
                assert!(topic != Topic::InFlight);
                self.came(topic, messages);
            }
            LaneEvent::InFlight(entries) => self.came(Topic::InFlight, entries),
        }
    }

    fn came(&mut self, topic: Topic, messages: Vec<LaneMessage>) {
        assert!((1..=3).contains(&messages.len()), "{messages:?}");
        for message in &messages {
            let LaneMessage { lane, offset, again, .. } = *message;
            assert!(self.owned.contains(&lane), "of a lane that is not owned: {message:?}");
            assert!(
                !again || !self.caught_up.contains(&lane),
                "behind the end of what was there: {message:?}"
            );
            let last = self.last.insert((lane, topic.name()), offset);
            assert!(last.is_none_or(|last| last < offset), "out of order: {message:?}");
            assert_eq!(message.payload.is_none(), message.payload.is_none() && topic == Topic::InFlight);
            if let Some(payload) = &message.payload {
                let expected = format!("payload of {}", message.key);
                assert!(*payload == expected || message.key == "large", "{message:?}");
            }
        }
        self.messages.entry(topic.name()).or_default().extend(messages);
    }

    /// Takes events until it is true.
    pub(super) async fn until(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        while !holds(self) {
            self.take().await;
        }
    }

    pub(super) async fn until_caught_up(&mut self, lanes: usize) {
        self.until(|reader| reader.caught_up.len() == lanes).await;
    }

    pub(super) async fn until_barrier(&mut self, lane: Partition) {
        let barrier = self.control.barrier(lane);
        self.until(|reader| reader.barriers.contains(&barrier)).await;
    }

    pub(super) async fn until_came(&mut self, topic: Topic, count: usize) {
        self.until(|reader| reader.came_of(topic).len() >= count).await;
    }

    pub(super) fn came_of(&self, topic: Topic) -> &[LaneMessage] {
        self.messages.get(topic.name()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn keys(&self, topic: Topic) -> Vec<&str> {
        self.came_of(topic).iter().map(|message| message.key.as_str()).collect()
    }

    /// Keys of `inflight`, with `-` before those of withdrawals.
    pub(super) fn entries(&self) -> Vec<String> {
        let entries = self.came_of(Topic::InFlight).iter();
        entries
            .map(|entry| format!("{}{}", if entry.payload.is_none() { "-" } else { "" }, entry.key))
            .collect()
    }

    pub(super) fn offset(&self, topic: Topic, key: &str) -> u64 {
        let found = self.came_of(topic).iter().find(|message| message.key == key);
        found.unwrap_or_else(|| panic!("{key} did not come")).offset
    }

    pub(super) fn done(&self, topic: Topic, key: &str) {
        let found = self.came_of(topic).iter().find(|message| message.key == key);
        let found = found.unwrap_or_else(|| panic!("{key} did not come"));
        self.control.done(topic, found.lane, found.offset);
    }
}
