//! A bus in memory, for tests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::{Bus, BusError, Completer, Delivery, DeliveryId, Subscription, Topic};

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
    /// The id of the next message to be handed out, or of a later one if that was completed.
    next: u64,
    produced: u64,
    subscribed: bool,
    closed: bool,
}

impl MemoryBus {
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let queue = |topic| (topic, Arc::new(TopicQueue { state: Mutex::default(), arrived: Notify::new() }));
        Self { topics: Topic::ALL.into_iter().map(queue).collect(), options }
    }

    fn append(&self, topic: Topic, key: &str, payload: Bytes) -> Result<(), BusError> {
        let size = key.len() + payload.len();
        if size > self.options.max_message {
            return Err(BusError::TooLarge { size, limit: self.options.max_message });
        }
        let queue = &self.topics[&topic];
        let mut state = queue.open_state()?;
        if state.messages.len() >= self.options.max_depth {
            return Err(BusError::Full { topic: topic.name() });
        }
        let id = DeliveryId(state.produced);
        state.produced += 1;
        state.messages.push_back(Delivery { id, key: key.to_owned(), payload });
        queue.arrived.notify_one();
        Ok(())
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
    async fn produce(&self, topic: Topic, key: &str, payload: Bytes) -> Result<(), BusError> {
        self.append(topic, key, payload)
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<(), BusError> {
        topic.must_not_wait()?;
        self.append(topic, key, payload.into())
    }

    async fn complete_key(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        self.topics[&topic].state().messages.retain(|message| message.key != key);
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
        Ok(Box::new(MemorySubscription(Arc::clone(queue))))
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        Ok(self.topics[&topic].state().messages.len() as u64)
    }

    async fn close(&self) {
        for queue in self.topics.values() {
            queue.state().closed = true;
            queue.arrived.notify_one();
        }
    }
}

#[derive(Debug)]
struct MemorySubscription(Arc<TopicQueue>);

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        loop {
            {
                let mut state = self.0.open_state()?;
                let next = state.next;
                let waiting = state.messages.iter().filter(|message| message.id.0 >= next);
                let deliveries: Vec<Delivery> = waiting.take(max).cloned().collect();
                if let Some(last) = deliveries.last() {
                    state.next = last.id.0 + 1;
                    return Ok(deliveries);
                }
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
        self.0.state().subscribed = false;
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
