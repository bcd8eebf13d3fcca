//! Activations outlive whoever waits for them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a future in the task that awaits it, and as a task of its own if that one stops waiting. So the normal case
/// costs no spawn.
pub(crate) struct DetachOnDrop<T: Send + 'static> {
    /// `None` when it has ended.
    work: Option<Boxed<T>>,
    tracker: TaskTracker,
    runtime: Handle,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    pub(crate) fn new(work: Boxed<T>, tracker: TaskTracker, runtime: Handle) -> Self {
        Self { work: Some(work), tracker, runtime }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_future_runs_to_its_end() {
        let tracker = TaskTracker::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let work = Box::pin(async move {
            let _ = gone.await;
            sender.send(5).unwrap();
        });
        let mut detach = Box::pin(DetachOnDrop::new(work, tracker.clone(), Handle::current()));
        assert!(futures_util::poll!(&mut detach).is_pending());
        drop(detach);
        go.send(()).unwrap();
        assert_eq!(receiver.await.unwrap(), 5);
        tracker.close();
        tracker.wait().await;
    }
}
