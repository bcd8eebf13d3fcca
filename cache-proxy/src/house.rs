//! What a proxy does by itself: it forgets what is over, and looks after its servers' keys.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::cache::CacheTier;
use tokio::sync::watch;

use crate::flushes;
use crate::plane::Plane;

const OFTEN: Duration = Duration::from_secs(1);
/// What is known of generations is asked for again after this, which renews the time for which the server keeps them.
const GENERATIONS: Duration = Duration::from_secs(12 * 60 * 60);

pub(crate) async fn keep(plane: Arc<Plane>, there: watch::Sender<bool>) {
    let stop = plane.stop.clone();
    stop.run_until_cancelled(async {
        let tokens = forget(&plane);
        let local = generations(&plane, CacheTier::Local);
        let global = generations(&plane, CacheTier::Global);
        let local_flushes = flushes::listen(&plane, CacheTier::Local);
        let global_flushes = flushes::listen(&plane, CacheTier::Global);
        let sweeps =
            [CacheTier::Local, CacheTier::Global].map(|tier| Box::pin(crate::usage::keep(&plane, tier)));
        let [sweeps_local, sweeps_global] = sweeps;
        let told = tell(&plane, &there);
        tokio::join!(tokens, local, global, local_flushes, global_flushes, sweeps_local, sweeps_global, told);
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
