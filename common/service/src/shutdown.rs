//! Tasks that somebody owns: named, asked to stop together, given a grace period, then ended.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// The owner of a service's tasks; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    /// The abort handle follows as soon as the task exists.
    tasks: BTreeMap<u64, (&'static str, Option<AbortHandle>)>,
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every task ended by itself.
    Clean,
    /// The grace period passed; these tasks were ended where they stood.
    Cut(Vec<&'static str>),
}

/// Takes a task off the list however it ends: return, panic or abort.
struct Entry {
    id: u64,
    running: Arc<Mutex<Running>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).tasks.remove(&self.id);
    }
}

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that belongs to this owner. It should end soon after [`Shutdown::requested`] resolves; `name`
    /// is what [`Drained::Cut`] calls it if it does not.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entry = self.enter(name);
        let id = entry.id;
        let handle = self.tracker.spawn(async move {
            let _entry = entry;
            task.await
        });
        // The task may have ended already; then its place is gone and stays gone.
        if let Some((_, abort)) = self.lock().tasks.get_mut(&id) {
            *abort = Some(handle.abort_handle());
        }
        handle
    }

    /// Asks every task to stop.
    pub fn request(&self) {
        self.token.cancel();
    }

    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves once [`Shutdown::request`] was called.
    pub fn requested(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// A token that is cancelled with this owner, for code that knows tokens.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.child_token()
    }

    /// Names of the tasks that run now, oldest first.
    #[must_use]
    pub fn running(&self) -> Vec<&'static str> {
        self.lock().tasks.values().map(|(name, _)| *name).collect()
    }

    /// Asks every task to stop and waits for them, at most `grace`; then ends those that are left and waits for
    /// that. Code that blocks its thread cannot be ended and is waited for no longer than `grace` again.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.request();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return Drained::Clean;
        }
        let left = self.running();
        self.abort_all();
        let all_ended = tokio::time::timeout(grace, self.tracker.wait()).await;
        if all_ended.is_err() {
            tracing::error!(tasks = ?self.running(), "tasks that block their thread cannot be ended");
        }
        if left.is_empty() { Drained::Clean } else { Drained::Cut(left) }
    }

    fn abort_all(&self) {
        // Collected first: an aborted task may be dropped at once, and its entry locks the list.
        let handles: Vec<AbortHandle> =
            self.lock().tasks.values().filter_map(|(_, abort)| abort.clone()).collect();
        handles.iter().for_each(AbortHandle::abort);
    }

    fn enter(&self, name: &'static str) -> Entry {
        let mut running = self.lock();
        let id = running.next;
        running.next += 1;
        running.tasks.insert(id, (name, None));
        Entry { id, running: Arc::clone(&self.running) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn tasks_that_heed_the_request_end_clean() {
        let shutdown = Shutdown::new();
        let inner = shutdown.clone();
        let task = shutdown.spawn("feed", async move {
            inner.requested().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            "finished"
        });
        assert_eq!(shutdown.running(), ["feed"]);
        assert_eq!(shutdown.drain(GRACE).await, Drained::Clean);
        assert_eq!(task.await.expect("the task ended by itself"), "finished");
        assert!(shutdown.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_do_not_are_cut_after_the_grace_period() {
        let shutdown = Shutdown::new();
        let stubborn = shutdown.spawn("stubborn", std::future::pending::<()>());
        shutdown.spawn("quick", async {});
        let before = tokio::time::Instant::now();
        assert_eq!(shutdown.drain(GRACE).await, Drained::Cut(vec!["stubborn"]));
        assert_eq!(before.elapsed(), GRACE);
        assert!(stubborn.await.expect_err("it was ended").is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_task_leaves_the_list() {
        let shutdown = Shutdown::new();
        let task = shutdown.spawn("broken", async { panic!("on purpose") });
        assert!(task.await.expect_err("it panicked").is_panic());
        assert_eq!(shutdown.drain(GRACE).await, Drained::Clean);
    }

    #[tokio::test]
    async fn tokens_follow_the_owner() {
        let shutdown = Shutdown::new();
        let token = shutdown.token();
        assert!(!token.is_cancelled() && !shutdown.is_requested());
        shutdown.request();
        assert!(token.is_cancelled() && shutdown.is_requested());
    }
}
