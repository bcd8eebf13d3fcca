//! Records on their way to the store: appended to files, handed over in memory.
//!
//! On the way of every blocking call, so an append is one `write(2)` on the caller's thread: when it returns, the record
//! survives the process. A thread behind forces the files to the disk in groups. Files are read again only after a
//! restart, or when a subscription is given up.

mod background;
mod frame;
mod segment;
mod state;
mod subscription;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use oxwhisk_sqlite::DirectoryLock;
use tokio::sync::Notify;

use crate::embedded::EmbeddedOptions;
use crate::{BusError, DeliveryId, Topic};
use background::Background;
use segment::Segments;
use state::State;
pub(super) use subscription::SpoolSubscription;

const TOPIC: Topic = Topic::Completed;

#[derive(Debug)]
pub(super) struct Spool {
    shared: Arc<Shared>,
    background: Background,
    /// Subscriptions may outlive the bus; the directory is in use as long as one of them is there.
    _lock: Arc<DirectoryLock>,
}

/// What the spool shares with its subscription and its thread.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    segments: Segments,
    max_message: usize,
    max_bytes: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    pub(super) fn open(
        directory: &Path,
        options: &EmbeddedOptions,
        lock: Arc<DirectoryLock>,
    ) -> io::Result<Self> {
        let (segments, found) = Segments::open(directory)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(found, options.segment_bytes)),
            arrived: Notify::new(),
            segments,
            max_message: options.max_message,
            max_bytes: options.spool_bytes,
        });
        let background = Background::start(Arc::clone(&shared), options.sync_interval)?;
        Ok(Self { shared, background, _lock: lock })
    }

    /// Appends a record. Does not wait for the disk.
    pub(super) fn produce(&self, key: &str, payload: &Bytes) -> Result<(), BusError> {
        let size = key.len() + payload.len();
        if size > self.shared.max_message || key.len() > frame::KEY_MAX {
            return Err(BusError::TooLarge { size, limit: self.shared.max_message });
        }
        let mut state = self.shared.state();
        state.admit(size, self.shared.max_bytes)?;
        let appended = state.append(&self.shared.segments, key, payload);
        drop(state);
        self.background.wake();
        appended.map_err(|error| BusError::Unavailable(format!("the spool cannot be written: {error}")))?;
        self.shared.arrived.notify_one();
        Ok(())
    }

    fn complete(&self, ids: &[DeliveryId]) {
        self.shared.state().complete(ids);
        self.background.wake();
    }

    pub(super) fn subscribe(self: &Arc<Self>) -> Result<SpoolSubscription, BusError> {
        self.shared.state().subscribe()?;
        Ok(SpoolSubscription::new(Arc::clone(self)))
    }

    pub(super) fn depth(&self) -> u64 {
        self.shared.state().depth()
    }

    pub(super) fn close(&self) {
        self.shared.state().close();
        self.shared.arrived.notify_one();
        self.background.stop();
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close();
    }
}
