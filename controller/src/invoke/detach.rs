//! A future that goes on when whoever awaits it gives up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;

/// Runs in the task that awaits it, which costs no hand-off between threads; dropped unfinished, it moves into a task
/// of its own that `tracker` owns. An activation must run to its end although its client went away.
pub(crate) struct DetachOnDrop<T: Send + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    tracker: TaskTracker,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static, tracker: &TaskTracker) -> Self {
        Self { future: Some(Box::pin(future)), tracker: tracker.clone() }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        let output = std::task::ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        // Outside a runtime nothing can go on; that is the process ending.
        if let Some(future) = self.future.take().filter(|_| tokio::runtime::Handle::try_current().is_ok()) {
            self.tracker.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_goes_on_when_dropped() {
        let tracker = TaskTracker::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let work = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            sender.send(7).ok();
        };
        let mut detached = DetachOnDrop::new(work, &tracker);
        let waited = tokio::time::timeout(Duration::ZERO, &mut detached).await;
        assert!(waited.is_err());
        drop(detached);
        assert_eq!(receiver.await, Ok(7));
    }
}
