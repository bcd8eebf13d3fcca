//! Lanes in memory, for tests of several members in one process.

mod lane;
mod shared;
mod state;
mod subscription;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::{MemoryBus, MemoryOptions};
use crate::{
    Bus, BusError, BusStatus, Channel, LaneBus, LaneSubscription, Listener, Message, Partition, Receipt,
    Subscription, Topic,
};
use shared::SharedSubscription;
use state::{MemberId, State};
use subscription::MemoryLaneSubscription;

/// Lanes that several members share, with a [`MemoryBus`] for everything else.
#[derive(Clone, Debug)]
pub struct MemoryLanes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    lanes: u32,
    options: MemoryOptions,
    bus: MemoryBus,
    /// Something changed.
    news: watch::Sender<()>,
}

impl MemoryLanes {
    #[must_use]
    pub fn new(lanes: u32, options: MemoryOptions) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(lanes)),
            lanes,
            options,
            bus: MemoryBus::new(options),
            news: watch::Sender::new(()),
        }))
    }

    /// What one process has of it.
    #[must_use]
    pub fn member(&self) -> Arc<MemoryLaneBus> {
        Arc::new(MemoryLaneBus {
            shared: Arc::clone(&self.0),
            subscribed: Mutex::default(),
            ended: watch::Sender::new(None),
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.news.send_replace(());
    }

    fn leave(&self, member: MemberId) {
        self.state().leave(member);
        self.changed();
    }

    fn lane_of(&self, key: &str, salt: u8) -> Partition {
        let mut hasher = DefaultHasher::new();
        (key, salt).hash(&mut hasher);
        Partition((hasher.finish() % u64::from(self.lanes.max(1))) as u32)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn no_lane(lane: Partition) -> BusError {
    BusError::Unavailable(format!("there is no lane {}", lane.0))
}

/// A member of [`MemoryLanes`]. Queues without lanes have one consumer at a time, as on a bus with one partition: the
/// subscription of another member waits for its turn.
#[derive(Debug)]
pub struct MemoryLaneBus {
    shared: Arc<Shared>,
    subscribed: Mutex<Option<MemberId>>,
    ended: watch::Sender<Option<BusError>>,
}

impl MemoryLaneBus {
    /// The member dies: what it does from now on fails, its subscriptions end, and what it had goes to others.
    pub fn kill(&self) {
        self.end(BusError::Unavailable("this member of the bus was killed".to_owned()));
    }

    fn end(&self, why: BusError) {
        self.ended.send_if_modified(|ended| ended.is_none().then(|| *ended = Some(why)).is_some());
        if let Some(member) = self.subscribed().take() {
            self.shared.leave(member);
        }
    }

    fn open(&self) -> Result<(), BusError> {
        match &*self.ended.borrow() {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }

    fn subscribed(&self) -> MutexGuard<'_, Option<MemberId>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now(&self, topic: Topic, lane: Partition, message: Message) -> Result<u64, BusError> {
        self.open()?;
        topic.must_have_lanes()?;
        let MemoryOptions { max_message, max_depth } = self.shared.options;
        let size = message.size();
        if size > max_message {
            return Err(BusError::TooLarge { size, limit: max_message });
        }
        let mut state = self.shared.state();
        if state.depth(topic) >= max_depth {
            return Err(BusError::Full { topic: topic.name() });
        }
        let offset = state.append(topic, lane, message, now());
        drop(state);
        self.shared.changed();
        offset.ok_or_else(|| no_lane(lane))
    }
}

#[async_trait]
impl LaneBus for MemoryLaneBus {
    async fn choose_lane(&self, route: &str) -> Result<Partition, BusError> {
        self.open()?;
        let lanes = [self.shared.lane_of(route, 0), self.shared.lane_of(route, 1)];
        let mut state = self.shared.state();
        let mut length = |lane| state.lane(lane).map_or(0, |lane| lane.depth(Topic::Activations));
        Ok(if length(lanes[1]) < length(lanes[0]) { lanes[1] } else { lanes[0] })
    }

    async fn append(&self, topic: Topic, lane: Partition, message: Message) -> Result<u64, BusError> {
        self.append_now(topic, lane, message)
    }

    async fn withdraw_from(&self, lane: Partition, key: &str) -> Result<(), BusError> {
        self.open()?;
        let withdrawn = self.shared.state().withdraw(lane, key, now());
        self.shared.changed();
        withdrawn.ok_or_else(|| no_lane(lane))
    }

    async fn subscribe_lanes(&self) -> Result<Box<dyn LaneSubscription>, BusError> {
        let mut subscribed = self.subscribed();
        self.open()?;
        if subscribed.is_some_and(|member| self.shared.state().is_member(member)) {
            return Err(BusError::Unavailable("the lanes have a subscription already".to_owned()));
        }
        let member = self.shared.state().join();
        *subscribed = Some(member);
        self.shared.changed();
        Ok(Box::new(MemoryLaneSubscription::new(&self.shared, member, self.ended.subscribe())))
    }
}

#[async_trait]
impl Bus for MemoryLaneBus {
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        self.open()?;
        if topic.has_lanes() {
            let lane = match &message.route {
                Some(route) => self.choose_lane(route).await?,
                None => self.shared.lane_of(&message.key, 0),
            };
            return self.append_now(topic, lane, message).map(drop);
        }
        self.shared.bus.produce(topic, message).await
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError> {
        self.open()?;
        self.shared.bus.produce_now(topic, key, payload)
    }

    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        self.open()?;
        if topic == Topic::InFlight {
            return self.withdraw_from(self.shared.lane_of(key, 0), key).await;
        }
        self.shared.bus.withdraw(topic, key).await
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError> {
        self.open()?;
        topic.must_not_have_lanes()?;
        Ok(Box::new(SharedSubscription::new(topic, &self.shared, self.ended.subscribe())))
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        if topic.has_lanes() {
            return Ok(self.shared.state().depth(topic) as u64);
        }
        self.shared.bus.depth(topic).await
    }

    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        self.open()?;
        self.shared.bus.publish(channel, key, payload).await
    }

    /// Nothing is kept, so nothing of before is heard.
    async fn listen(&self, channel: Channel, back: Duration) -> Result<Box<dyn Listener>, BusError> {
        self.open()?;
        let inner = self.shared.bus.listen(channel, back).await?;
        Ok(Box::new(shared::SharedListener { inner, ended: self.ended.subscribe() }))
    }

    fn status(&self) -> watch::Receiver<BusStatus> {
        self.shared.bus.status()
    }

    async fn close(&self) {
        self.end(BusError::Closed);
    }
}
