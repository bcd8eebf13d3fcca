//! Changes, one after the other and each to its end.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tonic::Status;

/// Changes are rare and read before they write: one at a time, none overwrites another. A change goes on when its client
/// goes: given up half-way, it would be in the store, and the caches would not know.
#[derive(Clone, Debug)]
pub(crate) struct Edits {
    turn: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Default for Edits {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), tasks: TaskTracker::new() }
    }
}

impl Edits {
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        edit: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        // Waiting for its turn it has changed nothing, and may be given up.
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| Status::unavailable("the controller is stopping"))?;
        let task = self.tasks.spawn(async move {
            let _turn = turn;
            edit.await
        });
        task.await.map_err(|error| Status::internal(format!("the change was not finished: {error}")))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_do_not_overlap_and_survive_their_clients() {
        let (edits, seen) = (Edits::default(), Arc::new(AtomicU32::new(0)));
        let add = || {
            let seen = Arc::clone(&seen);
            async move {
                let before = seen.load(Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
                seen.store(before + 1, Ordering::Relaxed);
                Ok(())
            }
        };
        let given_up = tokio::time::timeout(Duration::from_millis(1), edits.run(add())).await;
        assert!(given_up.is_err());
        let (one, other) = tokio::join!(edits.run(add()), edits.run(add()));
        one.and(other).expect("both are carried out");
        assert_eq!(seen.load(Ordering::Relaxed), 3);
    }
}
