//! Activations outlive whoever waits for them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a future in the task that awaits it, which costs neither a spawn nor a hand-off between threads; dropped before
/// its end, it goes on as a task of its own that the tracker owns.
pub struct DetachOnDrop<T: Send + 'static> {
    /// `None` when it has ended.
    work: Option<Boxed<T>>,
    tracker: TaskTracker,
    runtime: Handle,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    /// `runtime` is where `work` goes on: the drop may happen on any thread.
    #[must_use]
    pub fn new(work: Pin<Box<dyn Future<Output = T> + Send>>, tracker: TaskTracker, runtime: Handle) -> Self {
        Self { work: Some(work), tracker, runtime }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

    /// # Panics
    /// When polled again after it has ended.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else { panic!("polled after it had ended") };
        let output = work.as_mut().poll(context);
        if output.is_ready() {
            self.work = None;
        }
        output
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        // A panic in the work would come again.
        if let Some(work) = self.work.take().filter(|_| !std::thread::panicking()) {
            self.tracker.spawn_on(work, &self.runtime);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for DetachOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachOnDrop").field("ended", &self.work.is_none()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn dropped_before_its_end_it_goes_on_and_the_tracker_waits_for_it() {
        let tracker = TaskTracker::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let work = Box::pin(async move {
            gone.await.ok();
            sender.send(5).ok();
        });
        let mut detach = DetachOnDrop::new(work, tracker.clone(), Handle::current());
        assert!(tokio::time::timeout(Duration::ZERO, &mut detach).await.is_err());
        drop(detach);
        tracker.close();
        assert!(!tracker.is_empty());
        go.send(()).unwrap();
        tracker.wait().await;
        assert_eq!(receiver.await, Ok(5));
    }

    #[tokio::test]
    async fn awaited_to_its_end_it_spawns_nothing() {
        let tracker = TaskTracker::new();
        let detach = DetachOnDrop::new(Box::pin(async { 5 }), tracker.clone(), Handle::current());
        assert_eq!(detach.await, 5);
        assert!(tracker.is_empty());
    }
}
