//! How a pool tells whoever gives out its room that some may have come free.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// One pool's word to one task. While nobody wants room it costs the pool the reading of a flag.
#[derive(Debug, Default)]
pub struct RoomSignal {
    wanted: AtomicBool,
    freed: Notify,
}

impl RoomSignal {
    /// Whether somebody wants room. To be set before the room is looked at, under the pool's lock: what came free before
    /// that look is seen by it, and whoever frees some after it sees the flag.
    pub fn set_wanted(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
    }

    /// The pool has changed, and its lock is free again.
    pub fn changed(&self) {
        if self.wanted.load(Ordering::Acquire) {
            self.freed.notify_one();
        }
    }

    /// Returns when room may have come free since it last returned. For one task only; may be cancelled at any time.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_told(signal: &RoomSignal) -> bool {
        tokio::time::timeout(Duration::ZERO, signal.freed()).await.is_ok()
    }

    #[tokio::test]
    async fn only_who_wants_room_is_told_and_once_for_all_that_came_free() {
        let signal = RoomSignal::default();
        signal.changed();
        assert!(!is_told(&signal).await);
        signal.set_wanted(true);
        signal.changed();
        signal.changed();
        assert!(is_told(&signal).await);
        assert!(!is_told(&signal).await);
    }
}
