//! What a poll loop and the program share, and what the loop expects of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxwhisk_messaging::{BusError, Topic};
use tokio::sync::Notify;

use super::state::{Commit, Flow, Start};
use crate::wire::Record;

/// What a member of a group knows of its partitions. Decides; the poll loop does.
pub(crate) trait Group: Send + 'static {
    /// A partition came to us. Nothing of it is handed out until it is known what was done of it.
    fn assign(&mut self, partition: u32);

    /// A partition goes to somebody else: what waits of it is dropped, what was handed out counts no more.
    fn revoke(&mut self, partition: u32);

    /// Partitions of which it is not known yet what was done.
    fn unknown(&self) -> Vec<u32>;

    /// What was done is known: of the topic's own partition, and of those that follow it.
    fn take_up(&mut self, partition: u32, starts: &[Start], now: Duration);

    /// A record was read, in the order of its partition.
    fn read(&mut self, partition: u32, record: Record, now: Duration);

    /// What is to be committed now; it counts as committed until [`Group::not_committed`].
    fn commits(&mut self) -> Vec<Commit>;

    fn not_committed(&mut self, commit: &Commit);

    /// What has to change so that what waits keeps to its bounds.
    fn flow(&mut self) -> Flow;

    /// Whether some partitions are not read now.
    fn is_held_up(&self) -> bool;

    /// Partitions with halves of messages of which nothing was heard for long.
    fn silent(&self, now: Duration) -> Vec<u32>;

    /// A silent partition's log ends here now.
    fn log_ends(&mut self, partition: u32, end: u64, now: Duration);

    /// Gives up halves of messages whose other halves are not where they should be.
    fn expire(&mut self);

    /// Something is wrong that the program should know. `lasting`: nothing more will come.
    fn fail(&mut self, error: BusError, lasting: bool);

    /// The bus is closed.
    fn close(&mut self);
}

/// Which topic a member shares with its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) topic: Topic,
    /// Topics whose partitions follow those of the same number: they are committed with them.
    pub(crate) follow: &'static [Topic],
}

pub(crate) struct Shared<S> {
    state: Mutex<S>,
    arrived: Notify,
    stop: AtomicBool,
    /// Not even what is done is written any more.
    abandoned: AtomicBool,
}

impl<S> Shared<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state: Mutex::new(state),
            arrived: Notify::new(),
            stop: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        // Every change of the state is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was put there for the program.
    pub(crate) fn tell(&self) {
        self.arrived.notify_one();
    }

    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

impl<S: Group> Shared<S> {
    pub(crate) fn close(&self) {
        self.state().close();
        self.stop();
        self.tell();
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.close();
    }
}
