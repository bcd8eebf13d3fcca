//! What a proxy does by itself: it forgets what is over, and looks after its servers' keys.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::cache::CacheTier;
use tokio::sync::{mpsc, watch};

use crate::administration::{self, FlushOrder};
use crate::flushes;
use crate::plane::Plane;

const OFTEN: Duration = Duration::from_secs(1);
/// What is known of generations is asked for again after this, which renews the time for which the server keeps them.
const GENERATIONS: Duration = Duration::from_secs(12 * 60 * 60);

/// What one thread of a proxy does for all.
pub(crate) struct House {
    /// Whether the local tier's server is there.
    pub(crate) there: watch::Sender<bool>,
    pub(crate) orders: mpsc::Receiver<FlushOrder>,
}

impl House {
    pub(crate) async fn keep(self, plane: Arc<Plane>) {
        let Self { there, orders } = self;
        let stop = plane.stop.clone();
        stop.run_until_cancelled(async {
            let tiers = [CacheTier::Local, CacheTier::Global];
            let [local, global] = tiers.map(|tier| Box::pin(of_tier(&plane, tier)));
            let ordered = administration::obey(&plane, orders);
            tokio::join!(forget(&plane), tell(&plane, &there), ordered, local, global);
        })
        .await;
    }
}

async fn of_tier(plane: &Arc<Plane>, tier: CacheTier) {
    tokio::join!(generations(plane, tier), flushes::listen(plane, tier), crate::usage::keep(plane, tier));
}

async fn forget(plane: &Plane) {
    let mut interval = tokio::time::interval(OFTEN);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        plane.control.sweep(plane.config.forget_after);
    }
}

/// Tells whoever asks from outside whether the server is there.
async fn tell(plane: &Plane, there: &watch::Sender<bool>) {
    let Some(server) = plane.upstreams.tier(CacheTier::Local) else { return };
    let mut is_there = server.watch();
    loop {
        there.send_replace(*is_there.borrow_and_update());
        if is_there.changed().await.is_err() {
            return;
        }
    }
}

/// A server that was away may have lost what it had.
async fn generations(plane: &Plane, tier: CacheTier) {
    let Some(server) = plane.upstreams.tier(tier) else { return };
    let mut watch = server.watch();
    let mut was_there = false;
    loop {
        match tokio::time::timeout(GENERATIONS, watch.changed()).await {
            Ok(Err(_)) => return,
            Ok(Ok(())) => {
                if was_there {
                    plane.control.forget_generations(tier);
                }
                was_there = *watch.borrow_and_update();
            }
            Err(_) => flushes::ask_for_all(plane, tier, server).await,
        }
    }
}
