//! The way down: nothing new, finish what runs, write what is owed.

use std::time::{Duration, Instant};

use oxwhisk_messaging::Bus as _;

use super::Serving;
use super::foundation::Foundation;

/// Longest wait for each step after the work itself.
const CLEAN_UP: Duration = Duration::from_secs(10);
/// Longest wait for Kafka to take the last heartbeat.
const LEAVING: Duration = Duration::from_secs(2);

impl Foundation {
    /// Stops the controller. Work that has not ended within `grace` is cut off; what was accepted is on Kafka, and
    /// another controller sees to it.
    pub(super) async fn stop(&self, serving: Option<Serving>, grace: Duration) {
        let deadline = Instant::now() + grace;
        self.readiness.drain();
        if let Some(Serving { controller, server }) = &serving {
            let left = || deadline.saturating_duration_since(Instant::now());
            let (answered, drained) = tokio::join!(server.close(left()), controller.drain(left()));
            if !answered || !drained {
                tracing::warn!("the grace period is over, running activations are cut off");
                if !self.engine.hear_cut_off(CLEAN_UP).await {
                    tracing::warn!("an invoker that stops has not said what it cut off");
                }
            }
        }
        if !self.engine.close(CLEAN_UP).await {
            tracing::warn!("not everything of the engine has ended");
        }
        self.peers.leave(LEAVING).await;
        // What others must know of changes is told while there is a bus.
        self.tasks.drain(CLEAN_UP).await;
        if !self.peers.close(CLEAN_UP).await {
            tracing::warn!("not every conversation with other controllers has ended");
        }
        self.bus.close().await;
        if let Some(Serving { controller, .. }) = &serving
            && !controller.written(CLEAN_UP).await
        {
            tracing::warn!("not every record is in the store yet; other controllers write the rest");
        }
        self.fronts_stop.cancel();
        self.fronts.drain(CLEAN_UP).await;
    }
}
