//! The way down: nothing new, finish what runs, write what is owed, remove what was made.

use std::time::{Duration, Instant};

use super::App;

/// Longest wait for each step after the work itself: ending containers, writing records.
const CLEAN_UP: Duration = Duration::from_secs(10);

impl App {
    /// Stops the server. Work that has not ended within `grace` is cut off; what was accepted without an answer is on
    /// disk and runs at the next start.
    pub(super) async fn stop(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        self.readiness.drain();
        let left = || deadline.saturating_duration_since(Instant::now());
        // Requests that have begun are answered; the queue's work stays on disk.
        let (answered, drained) = tokio::join!(self.server.close(left()), self.controller.drain(left()));
        if !answered || !drained {
            tracing::warn!("the grace period is over, running activations are cut off");
        }
        if !self.invoker.drain(deadline).await {
            tracing::warn!("not every log could be collected in time");
        }
        if !self.invoker.shutdown(Instant::now() + CLEAN_UP).await {
            tracing::warn!("not every container could be removed");
        }
        if let Some(mut cache) = self.cache.lock().await.take() {
            cache.stop().await;
        }
        self.admin_stop.cancel();
        self.bus.close().await;
        if !self.controller.written(CLEAN_UP).await {
            tracing::warn!("not every record is in the store yet; the rest is written at the next start");
        }
        self.listeners.drain(CLEAN_UP).await;
        if let Err(error) = self.sandbox.shutdown().await {
            tracing::warn!(%error, "not everything of the sandboxes could be removed");
        }
    }
}
