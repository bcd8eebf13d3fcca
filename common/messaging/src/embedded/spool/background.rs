//! The thread that forces spool files to the disk, in groups, and deletes those that are done with.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Shared;

const STACK_BYTES: usize = 128 * 1024;

#[derive(Debug)]
pub(super) struct Background {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Signal {
    /// Something was written or completed since the last round. Set by producers, so that all but the first of a group
    /// get by without the lock and without a call of the system.
    dirty: AtomicBool,
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn stopped(&self) -> MutexGuard<'_, bool> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work, and then for company. Returns whether the thread shall go on.
    fn wait(&self, interval: Duration) -> bool {
        let idle = |stopped: &mut bool| !*stopped && !self.dirty.load(Ordering::Acquire);
        let stopped = self.changed.wait_while(self.stopped(), idle).unwrap_or_else(PoisonError::into_inner);
        let gathering = |stopped: &mut bool| !*stopped;
        let waited = self.changed.wait_timeout_while(stopped, interval, gathering);
        let (stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*stopped
    }
}

impl Background {
    pub(super) fn start(shared: Arc<Shared>, interval: Duration) -> io::Result<Self> {
        let signal = Arc::new(Signal::default());
        let own = Arc::clone(&signal);
        let thread = std::thread::Builder::new()
            .name("spool-sync".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || run(&shared, &own, interval))?;
        Ok(Self { signal, thread: Mutex::new(Some(thread)) })
    }

    /// There is something new.
    pub(super) fn wake(&self) {
        if !self.signal.dirty.swap(true, Ordering::AcqRel) {
            // Under the lock, or the thread could miss it between its look at the flag and its sleep.
            drop(self.signal.stopped());
            self.signal.changed.notify_one();
        }
    }

    /// Does what is left to do, and ends the thread.
    pub(super) fn stop(&self) {
        *self.signal.stopped() = true;
        self.signal.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that syncs the spool panicked");
        }
    }
}

fn run(shared: &Shared, signal: &Signal, interval: Duration) {
    while signal.wait(interval) {
        signal.dirty.store(false, Ordering::Release);
        round(shared);
    }
    round(shared);
}

fn round(shared: &Shared) {
    let chores = shared.state().take_chores();
    for file in chores.sync {
        if let Err(error) = file.sync_data() {
            // The records still survive the process, which is what the topic promises.
            tracing::error!(%error, "the spool could not be forced to the disk");
        }
    }
    for number in chores.delete {
        shared.segments.remove(number);
    }
}
