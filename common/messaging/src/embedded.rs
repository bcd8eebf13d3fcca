//! The standalone server's bus: everything in files of one data directory, handed over in memory.

mod queue;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_sqlite::{DirectoryLock, create_directory};
use tokio::sync::watch;

use crate::channels::Channels;
use crate::{Bus, BusError, BusStatus, Channel, Durability, Listener, Message, Receipt, Subscription, Topic};
use queue::Queue;
use spool::Spool;

/// Bounds of the bus.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Bytes of the largest message.
    pub max_message: usize,
    /// Messages produced and not completed that a durable topic holds.
    pub max_depth: u64,
    /// Messages of a durable topic that wait in memory; more wait on disk only.
    pub pending_messages: usize,
    /// Bytes of messages of a durable topic that wait in memory.
    pub pending_bytes: usize,
    /// Bytes of records that may wait for the record writer.
    pub spool_bytes: usize,
    /// Bytes after which a new spool file is begun.
    pub segment_bytes: u64,
    /// How long records may wait until they are forced to the disk, in groups.
    pub sync_interval: Duration,
    /// How long completions may wait for company on their way to the disk.
    pub completion_linger: Duration,
    /// Page cache of each SQLite connection, KiB.
    pub cache_kib: u32,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            max_depth: 1_000_000,
            pending_messages: 4096,
            pending_bytes: 8 << 20,
            spool_bytes: 64 << 20,
            segment_bytes: 16 << 20,
            sync_interval: Duration::from_millis(50),
            completion_linger: Duration::from_millis(50),
            cache_kib: 1024,
        }
    }
}

/// Why the bus cannot be opened: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Database(#[from] oxwhisk_sqlite::OpenError),
    #[error("{} cannot be used: {source}", path.display())]
    Spool { path: PathBuf, source: std::io::Error },
}

/// Durable topics in `queue.db`, records in `spool/`.
#[derive(Debug)]
pub struct EmbeddedBus {
    queue: Queue,
    spool: Arc<Spool>,
    channels: Channels,
}

impl EmbeddedBus {
    /// Opens the bus in `directory`, and makes what is not there. What an earlier process left is handed out first.
    ///
    /// # Errors
    /// See [`OpenError`]; a second server on the same directory is refused.
    pub fn open(directory: &Path, options: &EmbeddedOptions) -> Result<Self, OpenError> {
        create_directory(directory)?;
        let lock = Arc::new(DirectoryLock::acquire(directory, "queue.lock")?);
        let queue = Queue::open(&directory.join("queue.db"), options, &lock)?;
        let path = directory.join("spool");
        let spool = Spool::open(&path, options, lock).map_err(|source| OpenError::Spool { path, source })?;
        Ok(Self { queue, spool: Arc::new(spool), channels: Channels::default() })
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        match topic.durability() {
            Durability::ProcessDeath => self.spool.produce(&message.key, &message.payload),
            Durability::PowerCut => self.queue.produce(topic, message).await,
        }
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError> {
        topic.must_not_wait()?;
        self.spool.produce(key, &Bytes::from(payload))?;
        Ok(Receipt::durable())
    }

    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        topic.must_hold_notes()?;
        self.queue.withdraw(topic, key)
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError> {
        match topic.durability() {
            Durability::ProcessDeath => Ok(Box::new(self.spool.subscribe()?)),
            Durability::PowerCut => Ok(Box::new(self.queue.subscribe(topic)?)),
        }
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        Ok(match topic.durability() {
            Durability::ProcessDeath => self.spool.depth(),
            Durability::PowerCut => self.queue.depth(topic),
        })
    }

    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        self.channels.publish(channel, key, payload)
    }

    /// Nothing is kept, so nothing of before is heard.
    async fn listen(&self, channel: Channel, _back: Duration) -> Result<Box<dyn Listener>, BusError> {
        self.channels.listen(channel)
    }

    /// Files that cannot be written are reported by what was to be written.
    fn status(&self) -> watch::Receiver<BusStatus> {
        watch::channel(BusStatus::Available).1
    }

    async fn close(&self) {
        self.channels.close();
        self.queue.close().await;
        self.spool.close();
    }
}
