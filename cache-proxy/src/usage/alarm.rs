//! Word to the sweeper, from connections on any thread: a namespace may have got over what it may have.

use std::sync::atomic::{AtomicBool, Ordering};

use oxwhisk_core::cache::CacheTier;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Alarm([Bell; 2]);

#[derive(Debug, Default)]
struct Bell {
    rings: AtomicBool,
    rung: Notify,
}

impl Alarm {
    pub(crate) fn ring(&self, tier: CacheTier) {
        let bell = self.of(tier);
        // Once is enough until somebody looks.
        if !bell.rings.load(Ordering::Relaxed) && !bell.rings.swap(true, Ordering::AcqRel) {
            bell.rung.notify_one();
        }
    }

    /// Whether it rings. It does no more.
    pub(super) fn take(&self, tier: CacheTier) -> bool {
        self.of(tier).rings.swap(false, Ordering::AcqRel)
    }

    pub(super) async fn rung(&self, tier: CacheTier) {
        let bell = self.of(tier);
        while !bell.rings.load(Ordering::Acquire) {
            bell.rung.notified().await;
        }
    }

    const fn of(&self, tier: CacheTier) -> &Bell {
        match tier {
            CacheTier::Local => &self.0[0],
            CacheTier::Global => &self.0[1],
        }
    }
}
