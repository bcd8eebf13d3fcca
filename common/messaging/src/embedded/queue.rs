//! Topics that survive a power cut: tables in `queue.db`, handed over in memory.

mod state;
mod subscription;
mod table;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxwhisk_sqlite::{Database, DatabaseError, DirectoryLock, OpenError, Schema, Settings, Synchronous};
use tokio::sync::Notify;

use crate::embedded::EmbeddedOptions;
use crate::{BusError, Delivery, DeliveryId, Message, Topic};
use state::{Bounds, Deleted, State};
pub(super) use subscription::QueueSubscription;
use table::Table;

const SCHEMA: Schema =
    Schema { steps: &[include_str!("queue/schema-1.sql"), include_str!("queue/schema-2.sql")] };

/// The topics that are tables.
const TABLES: [Topic; 4] = [Topic::Activations, Topic::Parked, Topic::InFlight, Topic::DeadLetters];

impl From<DatabaseError> for BusError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Closed { .. } => Self::Closed,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

pub(super) struct Queue {
    topics: Vec<Arc<TopicQueue>>,
    max_message: usize,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// One topic with its database.
struct TopicQueue {
    table: Table,
    database: Arc<Database>,
    shared: Arc<Shared>,
    /// Subscriptions may outlive the bus; the directory is in use as long as one of them is there.
    _lock: Arc<DirectoryLock>,
}

/// What a topic shares with its subscription and the writer thread.
struct Shared {
    topic: Topic,
    state: Mutex<State>,
    arrived: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    pub(super) fn open(
        path: &Path,
        options: &EmbeddedOptions,
        lock: &Arc<DirectoryLock>,
    ) -> Result<Self, OpenError> {
        let settings = Settings {
            synchronous: Synchronous::Full,
            cache_kib: options.cache_kib,
            readers: 2,
            linger: options.completion_linger,
            ..Settings::default()
        };
        let database = Arc::new(Database::open(path, SCHEMA, &settings)?);
        let bounds = Bounds {
            depth: options.max_depth,
            pending_messages: options.pending_messages,
            pending_bytes: options.pending_bytes,
        };
        let open = |topic| {
            let files = (Arc::clone(&database), Arc::clone(lock));
            TopicQueue::open(topic, path, files, bounds).map(Arc::new)
        };
        let topics = TABLES.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { topics, max_message: options.max_message })
    }

    fn topic(&self, topic: Topic) -> Result<&Arc<TopicQueue>, BusError> {
        let found = self.topics.iter().find(|queue| queue.shared.topic == topic);
        found.ok_or_else(|| BusError::Unavailable(format!("the queue '{}' is not kept here", topic.name())))
    }

    pub(super) async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        let size = message.size();
        if size > self.max_message {
            return Err(BusError::TooLarge { size, limit: self.max_message });
        }
        self.topic(topic)?.produce(message).await
    }

    pub(super) fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        let queue = self.topic(topic)?;
        queue.shared.state().withdraw(key);
        queue.flush_behind()
    }

    pub(super) fn subscribe(&self, topic: Topic) -> Result<QueueSubscription, BusError> {
        let queue = self.topic(topic)?;
        queue.shared.state().subscribe(topic)?;
        Ok(QueueSubscription::new(Arc::clone(queue)))
    }

    pub(super) fn depth(&self, topic: Topic) -> u64 {
        self.topic(topic).map_or(0, |queue| queue.shared.state().depth())
    }

    pub(super) async fn close(&self) {
        for queue in &self.topics {
            queue.close().await;
        }
    }
}

impl TopicQueue {
    fn open(
        topic: Topic,
        path: &Path,
        (database, lock): (Arc<Database>, Arc<DirectoryLock>),
        bounds: Bounds,
    ) -> Result<Self, OpenError> {
        let table = Table::of(topic);
        let extent = database.read_now(|connection| table.extent(connection));
        let (depth, last) = extent.map_err(|error: DatabaseError| {
            oxwhisk_sqlite::OpenError::Unavailable { path: path.to_owned(), detail: error.to_string() }
        })?;
        let state = Mutex::new(State::new(bounds, depth, last));
        let shared = Arc::new(Shared { topic, state, arrived: Notify::new() });
        Ok(Self { table, database, shared, _lock: lock })
    }

    async fn produce(&self, message: Message) -> Result<(), BusError> {
        let place = Place::reserve(&self.shared)?;
        let (table, shared) = (self.table, Arc::clone(&self.shared));
        let Message { key, attempt, payload, .. } = message;
        let message = Delivery { id: DeliveryId::of_offset(0), key, attempt, again: false, payload };
        let written = message.clone();
        self.database
            .write_then(
                move |connection| {
                    let id = shared.state().new_id();
                    table.insert(connection, id, &written)?;
                    Ok(id)
                },
                move |outcome: &mut Result<u64, BusError>| {
                    if let Ok(id) = outcome {
                        place.keep().committed(Delivery { id: DeliveryId::of_offset(*id), ..message });
                    }
                },
            )
            .await
            .map(drop)
    }

    /// Reads the messages behind `after`, up to `upto`.
    async fn read(&self, after: u64, upto: u64, bounds: Bounds) -> Result<Vec<Delivery>, BusError> {
        let table = self.table;
        self.database.read(move |connection| table.page(connection, after, upto, bounds)).await
    }

    fn complete(&self, ids: &[DeliveryId]) -> Result<(), BusError> {
        self.shared.state().complete(ids);
        self.flush_behind()
    }

    /// Has the completions taken so far written with the next group.
    fn flush_behind(&self) -> Result<(), BusError> {
        if !self.shared.state().schedule_flush() {
            return Ok(());
        }
        let (table, shared) = (self.table, Arc::clone(&self.shared));
        let taking = Arc::clone(&shared);
        let completions = Arc::new(Mutex::new(state::Completions::default()));
        let taken = Arc::clone(&completions);
        let handed_in = self.database.write_behind(
            move |connection| {
                let completions = taking.state().take_completions();
                let deleted = table.delete(connection, &completions);
                *taken.lock().unwrap_or_else(PoisonError::into_inner) = completions;
                Ok(deleted?)
            },
            move |outcome: Result<Deleted, BusError>| {
                let completions =
                    std::mem::take(&mut *completions.lock().unwrap_or_else(PoisonError::into_inner));
                match outcome {
                    Ok(deleted) => {
                        if shared.state().deleted(&completions, &deleted) {
                            shared.arrived.notify_one();
                        }
                    }
                    // They are written with the next completion, or the messages come once more after a restart.
                    Err(_) => shared.state().put_back(completions),
                }
            },
        );
        handed_in.map_err(|error| {
            self.shared.state().flush_refused();
            error.into()
        })
    }

    async fn close(&self) {
        self.shared.state().close();
        self.shared.arrived.notify_one();
        // Behind whatever was handed to the writer before: when it is done, so is that.
        let flushed = self.flush_behind();
        let last: Result<(), BusError> = self.database.write(|_| Ok(())).await;
        if let Err(error) = flushed.and(last) {
            tracing::warn!(topic = self.shared.topic.name(), %error, "completions could not be written at the end");
        }
    }
}

/// A place in a topic's depth, given back unless the message gets in.
struct Place(Option<Arc<Shared>>);

impl Place {
    fn reserve(shared: &Arc<Shared>) -> Result<Self, BusError> {
        shared.state().reserve(shared.topic)?;
        Ok(Self(Some(Arc::clone(shared))))
    }

    fn keep(mut self) -> Kept {
        Kept(self.0.take())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.state().give_back();
        }
    }
}

/// A place that is taken for good.
struct Kept(Option<Arc<Shared>>);

impl Kept {
    fn committed(self, message: Delivery) {
        if let Some(shared) = self.0 {
            shared.state().committed(message);
            shared.arrived.notify_one();
        }
    }
}
