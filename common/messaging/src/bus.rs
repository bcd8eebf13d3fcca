//! The traits every bus implements.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Topic;

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The message is larger than the bus takes.
    #[error("message of {size} bytes exceeds the bus limit of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
    /// The bus holds as much as it may; the caller should ask its client to come back later.
    #[error("the queue '{topic}' is full")]
    Full { topic: &'static str },
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// The bus is shutting down.
    #[error("the bus is closed")]
    Closed,
}

/// Names one delivery to its subscription. Opaque; on Kafka it is partition and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u64);

/// One message, handed out.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: DeliveryId,
    /// What the producer named it: an activation id.
    pub key: String,
    pub payload: Bytes,
}

#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Appends a message. Returns when it has the topic's [`crate::Durability`]; until then it may or may not be there.
    async fn produce(&self, topic: Topic, key: &str, payload: Bytes) -> Result<(), BusError>;

    /// As [`Bus::produce`], without leaving the calling thread: for topics whose durability is
    /// [`crate::Durability::ProcessDeath`], on the warm path of every call. Other topics are refused as unavailable.
    ///
    /// # Errors
    /// As [`Bus::produce`].
    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<(), BusError>;

    /// Marks a message complete by its key, for producers that outlive what they produced (`inflight`).
    async fn complete_key(&self, topic: Topic, key: &str) -> Result<(), BusError>;

    /// Starts consuming, oldest message first: first those that an earlier subscription did not complete, then new ones.
    /// A topic has one subscription at a time: another is [`BusError::Unavailable`] until that one is dropped.
    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError>;

    /// Messages produced and not completed. Completions that are written behind may still be counted for a moment.
    async fn depth(&self, topic: Topic) -> Result<u64, BusError>;

    /// Refuses further messages, ends subscriptions with [`BusError::Closed`], and returns when the completions taken so
    /// far are written.
    async fn close(&self);
}

#[async_trait]
pub trait Subscription: fmt::Debug + Send + 'static {
    /// Waits until there is at least one message, then hands out at most `max`, in order. May be cancelled at any time:
    /// nothing is lost.
    ///
    /// # Errors
    /// [`BusError::Closed`] when the bus shuts down.
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError>;

    /// Handle for completing deliveries from other tasks.
    fn completer(&self) -> std::sync::Arc<dyn Completer>;
}

/// Takes completions back, in any order.
#[async_trait]
pub trait Completer: fmt::Debug + Send + Sync + 'static {
    /// These will not be handed out again. May be written behind: after a crash a completed message can come once more,
    /// so consumers are idempotent.
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError>;
}
