//! A bus in memory, for tests.

mod lanes;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::channels::Channels;
use crate::course::Course;
use crate::{
    Bus, BusError, BusStatus, Channel, Completer, Delivery, DeliveryId, Event, Listener, Message, Receipt,
    Subscription, Topic,
};
pub use lanes::{MemoryLaneBus, MemoryLanes};

/// Bounds of a [`MemoryBus`].
#[derive(Clone, Copy, Debug)]
pub struct MemoryOptions {
    /// Bytes of the largest message.
    pub max_message: usize,
    /// Messages that a topic holds.
    pub max_depth: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { max_message: 16 << 20, max_depth: 100_000 }
    }
}

#[derive(Debug)]
pub struct MemoryBus {
    topics: HashMap<Topic, Arc<TopicQueue>>,
    channels: Channels,
    options: MemoryOptions,
}

#[derive(Debug)]
struct TopicQueue {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Not completed, the oldest first.
    messages: VecDeque<Delivery>,
    /// The offset of the next message to be handed out, or of a later one if that was completed.
    next: u64,
    course: Course,
    produced: u64,
    subscribed: bool,
    closed: bool,
}

impl MemoryBus {
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let queue = |topic| (topic, Arc::new(TopicQueue { state: Mutex::default(), arrived: Notify::new() }));
        Self { topics: Topic::ALL.into_iter().map(queue).collect(), channels: Channels::default(), options }
    }

    fn append(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        let size = message.size();
        if size > self.options.max_message {
            return Err(BusError::TooLarge { size, limit: self.options.max_message });
        }
        let queue = &self.topics[&topic];
        let mut state = queue.open_state()?;
        if state.messages.len() >= self.options.max_depth {
            return Err(BusError::Full { topic: topic.name() });
        }
        let id = DeliveryId::of_offset(state.produced);
        state.produced += 1;
        let Message { key, attempt, payload, .. } = message;
        state.messages.push_back(Delivery { id, key, attempt, again: false, payload });
        queue.arrived.notify_one();
        Ok(())
    }

    fn complete(&self, topic: Topic, deliveries: &[DeliveryId]) {
        self.topics[&topic].state().messages.retain(|message| !deliveries.contains(&message.id));
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl TopicQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, BusError> {
        let state = self.state();
        if state.closed { Err(BusError::Closed) } else { Ok(state) }
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        self.append(topic, message)
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError> {
        topic.must_not_wait()?;
        self.append(topic, Message::new(key, payload))?;
        Ok(Receipt::durable())
    }

    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        topic.must_hold_notes()?;
        let queue = &self.topics[&topic];
        queue.open_state()?.withdraw(key);
        queue.arrived.notify_one();
        Ok(())
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError> {
        let queue = &self.topics[&topic];
        let mut state = queue.open_state()?;
        if state.subscribed {
            return Err(topic.already_subscribed());
        }
        state.subscribed = true;
        state.next = 0;
        state.course = Course::begin(state.produced);
        Ok(Box::new(MemorySubscription(Arc::clone(queue))))
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        Ok(self.topics[&topic].state().messages.len() as u64)
    }

    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        self.channels.publish(channel, key, payload)
    }

    /// Nothing is kept, so nothing of before is heard.
    async fn listen(&self, channel: Channel, _back: Duration) -> Result<Box<dyn Listener>, BusError> {
        self.channels.listen(channel)
    }

    fn status(&self) -> watch::Receiver<BusStatus> {
        watch::channel(BusStatus::Available).1
    }

    async fn close(&self) {
        for queue in self.topics.values() {
            queue.state().closed = true;
            queue.arrived.notify_one();
        }
        self.channels.close();
    }
}

impl State {
    fn withdraw(&mut self, key: &str) {
        let handed_out = |message: &&Delivery| message.key == key && message.id.offset < self.next;
        let told: Vec<_> = self.messages.iter().filter(handed_out).map(|message| message.id).collect();
        self.messages.retain(|message| message.key != key);
        self.course.withdraw(told);
    }

    fn event(&mut self, max: usize) -> Option<Event> {
        let next = self.next;
        let mut waiting = self.messages.iter().filter(|message| message.id.offset >= next).peekable();
        let old_waits = waiting.peek().is_some_and(|message| message.id.offset < self.course.boundary());
        if let Some(event) = self.course.due(old_waits) {
            return Some(event);
        }
        let deliveries: Vec<Delivery> = waiting.take(max).cloned().collect();
        self.next = deliveries.last()?.id.offset + 1;
        Some(self.course.hand_out(deliveries))
    }
}

#[derive(Debug)]
struct MemorySubscription(Arc<TopicQueue>);

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self, max: usize) -> Result<Event, BusError> {
        loop {
            if let Some(event) = self.0.open_state()?.event(max) {
                return Ok(event);
            }
            self.0.arrived.notified().await;
        }
    }

    fn completer(&self) -> Arc<dyn Completer> {
        Arc::new(MemoryCompleter(Arc::clone(&self.0)))
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.subscribed = false;
        state.next = 0;
    }
}

#[derive(Debug)]
struct MemoryCompleter(Arc<TopicQueue>);

#[async_trait]
impl Completer for MemoryCompleter {
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError> {
        self.0.state().messages.retain(|message| !deliveries.contains(&message.id));
        Ok(())
    }
}
