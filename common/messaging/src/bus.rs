//! The traits every bus implements.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::{Channel, DeliveryId, Event, Heard, Message, Receipt, Topic};

#[derive(Clone, Debug, thiserror::Error)]
pub enum BusError {
    /// The message is larger than the bus takes.
    #[error("message of {size} bytes exceeds the bus limit of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
    /// The bus holds as much as it may; the caller should ask its client to come back later.
    #[error("the queue '{topic}' is full")]
    Full { topic: &'static str },
    /// The bus did not say in time that it has the message.
    #[error("the queue '{topic}' did not acknowledge a message in time; it may have been taken all the same")]
    TimedOut { topic: &'static str },
    /// The bus does not let this process do that.
    #[error("not permitted by the bus: {0}")]
    Forbidden(String),
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// The bus is shutting down.
    #[error("the bus is closed")]
    Closed,
}

/// Whether a bus can be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusStatus {
    Available,
    /// Not now, for this reason; it is tried again by itself.
    Away(String),
}

#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Appends a message. Returns when it has the topic's [`crate::Durability`]; until then it may or may not be there.
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError>;

    /// As [`Bus::produce`], without waiting and without leaving the calling thread: for topics whose durability is
    /// [`crate::Durability::ProcessDeath`], on the warm path of every call. Other topics are refused as unavailable. What
    /// was taken is not given up while the process lives; the receipt tells when it would survive that too.
    ///
    /// # Errors
    /// As [`Bus::produce`].
    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError>;

    /// Withdraws the notes with this key, whoever produced them and whoever was handed them. No note is no error.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] for a topic that does not hold notes; else as [`Bus::produce`].
    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError>;

    /// Starts consuming, oldest message first within each partition: first what was handed out before and not completed,
    /// then new ones. A topic has one subscription of a bus at a time: another is [`BusError::Unavailable`] until that one
    /// is dropped. Subscriptions of several processes share the topic's partitions. A [`crate::LaneBus`] may refuse topics with
    /// lanes, which it hands out together.
    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError>;

    /// Parts of a topic, which subscriptions of several processes share; 1 where there are no parts.
    ///
    /// # Errors
    /// When the bus is away, or closed.
    async fn partitions(&self, topic: Topic) -> Result<u32, BusError> {
        let _ = topic;
        Ok(1)
    }

    /// Messages produced and not completed, in all partitions. Completions that are written behind may still be counted
    /// for a moment; on Kafka it is records that are counted, of which a large message has several and a withdrawal one.
    async fn depth(&self, topic: Topic) -> Result<u64, BusError>;

    /// Tells everybody who listens. Returns when the bus has it; it is not kept for those who listen later, other than for
    /// those who ask for what was before.
    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError>;

    /// Hears what is published from now on, and before that what was published within the time `back`, as far as the bus
    /// keeps it: one within a process keeps nothing. Messages with the same key come in order.
    async fn listen(&self, channel: Channel, back: Duration) -> Result<Box<dyn Listener>, BusError>;

    /// For readiness.
    fn status(&self) -> watch::Receiver<BusStatus>;

    /// Refuses further messages, ends subscriptions with [`BusError::Closed`], and returns when the completions taken so
    /// far are written.
    async fn close(&self);
}

#[async_trait]
pub trait Subscription: fmt::Debug + Send + 'static {
    /// Waits for the next event; at most `max` messages are handed out at once. May be cancelled at any time: nothing is
    /// lost.
    ///
    /// # Errors
    /// [`BusError::Closed`] when the bus shuts down. After other errors it may be asked again.
    async fn next(&mut self, max: usize) -> Result<Event, BusError>;

    /// Handle for completing deliveries from other tasks.
    fn completer(&self) -> Arc<dyn Completer>;
}

/// Takes completions back, in any order.
#[async_trait]
pub trait Completer: fmt::Debug + Send + Sync + 'static {
    /// These will not be handed out again. May be written behind: after a crash a completed message can come once more,
    /// so consumers are idempotent. Deliveries of a partition that was revoked are passed over.
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError>;
}

#[async_trait]
pub trait Listener: fmt::Debug + Send + 'static {
    /// Waits for the next message. May be cancelled at any time: nothing is lost.
    ///
    /// # Errors
    /// [`BusError::Closed`] when the bus shuts down. After other errors it may be asked again.
    async fn next(&mut self) -> Result<Heard, BusError>;
}
