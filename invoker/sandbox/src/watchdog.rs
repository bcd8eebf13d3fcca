//! The memory limit where no cgroup holds it: a look at every sandbox's memory, many times a second. Each process has a
//! limit of its own besides (`RLIMIT_DATA`), so what this finds is several that are too large together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::container::Life;
use crate::processes;

/// Sandboxes under watch, by host uid.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    watched: Mutex<HashMap<u32, Watched>>,
}

#[derive(Clone, Debug)]
struct Watched {
    limit: u64,
    life: Weak<Life>,
}

impl Watchdog {
    /// Watches a sandbox until it is dropped.
    pub(crate) fn watch(&self, host_uid: u32, limit: u64, life: &Arc<Life>) {
        let watched = Watched { limit, life: Arc::downgrade(life) };
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(host_uid, watched);
    }

    /// Runs until `stop`.
    pub(crate) async fn run(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let watchdog = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || watchdog.look()).await;
            if !matches!(look, Ok(Ok(()))) {
                tracing::warn!(?look, "cannot read the memory of sandboxes");
            }
        }
    }

    fn look(&self) -> std::io::Result<()> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, sandbox| sandbox.life.strong_count() > 0);
        if watched.is_empty() {
            return Ok(());
        }
        let used = processes::memory_by_uid()?;
        for (uid, sandbox) in watched.iter() {
            if used.get(uid).is_some_and(|bytes| *bytes > sandbox.limit)
                && processes::proportional_memory(*uid)? > sandbox.limit
                && let Some(life) = sandbox.life.upgrade()
            {
                life.end_for_memory();
            }
        }
        Ok(())
    }
}
