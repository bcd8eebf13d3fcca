//! A bus and an entity store that can be held up and made to fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::id::Revision;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_messaging::memory::MemoryBus;
use oxwhisk_messaging::{Bus, BusError, BusStatus, Channel, Listener, Message, Receipt, Subscription, Topic};
use oxwhisk_store::memory::MemoryEntityStore;
use oxwhisk_store::{EntityDocument, EntityQuery, EntityStore, StoreError, Stored};
use tokio::sync::watch;

/// Lets pass or holds up; knows how many are being held up.
#[derive(Debug)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: watch::Sender::new(true), waiting: watch::Sender::new(0) }
    }
}

impl Gate {
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
    }

    /// Until somebody is held up.
    pub(crate) async fn met(&self) {
        self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.unwrap();
    }
}

#[derive(Debug, Default)]
pub(crate) struct SlowBus {
    inner: MemoryBus,
    /// Held up here: messages for durable topics.
    pub(crate) gate: Gate,
    /// How many of the next messages for durable topics, and of the next records, are refused.
    pub(crate) refuse_messages: AtomicUsize,
    pub(crate) refuse_records: AtomicUsize,
    /// How many of the next messages for durable topics are taken, and not acknowledged in time.
    pub(crate) lose_answers: AtomicUsize,
}

fn take(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl Bus for SlowBus {
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        self.gate.pass().await;
        if take(&self.refuse_messages) {
            return Err(BusError::Full { topic: topic.name() });
        }
        self.inner.produce(topic, message).await?;
        if take(&self.lose_answers) { Err(BusError::TimedOut { topic: topic.name() }) } else { Ok(()) }
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError> {
        if take(&self.refuse_records) {
            return Err(BusError::Full { topic: topic.name() });
        }
        self.inner.produce_now(topic, key, payload)
    }

    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        self.inner.withdraw(topic, key).await
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError> {
        self.inner.subscribe(topic).await
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        self.inner.depth(topic).await
    }

    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        self.inner.publish(channel, key, payload).await
    }

    async fn listen(&self, channel: Channel, back: Duration) -> Result<Box<dyn Listener>, BusError> {
        self.inner.listen(channel, back).await
    }

    fn status(&self) -> watch::Receiver<BusStatus> {
        self.inner.status()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[derive(Debug)]
pub(crate) struct SlowEntities {
    inner: MemoryEntityStore,
    /// Held up here: writes.
    pub(crate) gate: Gate,
}

impl SlowEntities {
    pub(crate) fn new(inner: MemoryEntityStore) -> Self {
        Self { inner, gate: Gate::default() }
    }
}

#[async_trait]
impl EntityStore for SlowEntities {
    async fn get(&self, id: &FullyQualifiedName) -> Result<Option<Stored<EntityDocument>>, StoreError> {
        self.inner.get(id).await
    }

    async fn put(
        &self,
        document: EntityDocument,
        expected: Option<&Revision>,
    ) -> Result<Revision, StoreError> {
        self.gate.pass().await;
        self.inner.put(document, expected).await
    }

    async fn delete(&self, id: &FullyQualifiedName, expected: &Revision) -> Result<(), StoreError> {
        self.gate.pass().await;
        self.inner.delete(id, expected).await
    }

    async fn list(&self, query: &EntityQuery) -> Result<Vec<EntityDocument>, StoreError> {
        self.inner.list(query).await
    }

    async fn count(&self, query: &EntityQuery) -> Result<u64, StoreError> {
        self.inner.count(query).await
    }
}
