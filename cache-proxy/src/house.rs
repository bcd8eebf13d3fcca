//! What a proxy does by itself: it forgets what is over, and looks after its servers' keys.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::cache::CacheTier;

use crate::plane::Plane;

const OFTEN: Duration = Duration::from_secs(1);
/// What is known of generations is asked for again after this, which renews the time for which the server keeps them.
const GENERATIONS: Duration = Duration::from_secs(12 * 60 * 60);

pub(crate) async fn keep(plane: Arc<Plane>) {
    let stop = plane.stop.clone();
    stop.run_until_cancelled(async {
        let tokens = forget(&plane);
        let local = generations(&plane, CacheTier::Local);
        let global = generations(&plane, CacheTier::Global);
        let sweeps =
            [CacheTier::Local, CacheTier::Global].map(|tier| Box::pin(crate::usage::keep(&plane, tier)));
        let [sweeps_local, sweeps_global] = sweeps;
        tokio::join!(tokens, local, global, sweeps_local, sweeps_global);
    })
    .await;
}

async fn forget(plane: &Plane) {
    let mut interval = tokio::time::interval(OFTEN);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        plane.control.sweep(plane.config.forget_after);
    }
}

/// A server that was away may have lost what it had.
async fn generations(plane: &Plane, tier: CacheTier) {
    let Some(server) = plane.upstreams.tier(tier) else { return };
    let mut is_there = server.watch();
    loop {
        let changed = tokio::time::timeout(GENERATIONS, is_there.changed()).await;
        if matches!(changed, Ok(Err(_))) {
            return;
        }
        plane.control.forget_generations(tier);
    }
}
