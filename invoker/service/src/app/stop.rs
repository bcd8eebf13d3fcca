//! The way down: nothing new, finish what runs, hand over what is owed, remove what was made.

use std::time::{Duration, Instant};

use oxwhisk_messaging::Bus as _;

use super::App;

/// Longest wait for each step after the work itself: ending containers, results being acknowledged.
const CLEAN_UP: Duration = Duration::from_secs(10);

impl App {
    /// Stops the invoker. Controllers are told at once that it takes no more; what has not ended within the grace period
    /// is cut off, and told as such.
    pub(super) async fn stop(&self) {
        let deadline = Instant::now() + self.config.shutdown_grace;
        self.readiness.drain();
        self.server.drain();
        if let Some(invoker) = self.invoker.get() {
            if !invoker.drain(deadline).await {
                tracing::warn!("the grace period is over, running activations are cut off");
            }
            if !invoker.shutdown(Instant::now() + CLEAN_UP).await {
                tracing::warn!("not every container could be removed");
            }
        }
        if !self.server.close(CLEAN_UP).await {
            match self.server.held() {
                0 => tracing::warn!("not every record is on Kafka yet"),
                left => tracing::warn!(left, "not every result was acknowledged by its controller"),
            }
        }
        // Nobody listens any more, which tells controllers that this invoker is gone for good.
        self.serving.cancel();
        self.telling.drain(CLEAN_UP).await;
        self.bus.close().await;
        self.tasks.drain(CLEAN_UP).await;
        if let Some(factory) = self.factory.get()
            && let Err(error) = factory.shutdown().await
        {
            tracing::warn!(%error, "not everything of the containers could be removed");
        }
        self.operating.drain(CLEAN_UP).await;
    }
}
