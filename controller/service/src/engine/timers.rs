//! Tells the balancer the time when it asked for that.

use std::sync::Arc;
use std::time::Instant;

use super::Core;
use super::step::Due;

pub(super) async fn keep_time(core: Arc<Core>) {
    loop {
        let deadline = {
            let mut state = core.state();
            state.armed = state.balancer.next_deadline();
            state.armed
        };
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = core.closed.cancelled() => return,
            () = core.rearm.notified() => {}
            () = due => {
                let mut state = core.state();
                let effects = state.balancer.tick(Instant::now());
                let mut due = Due::new();
                core.balance(&mut state, effects, &mut due);
                core.handle_all(&mut state, due);
            }
        }
    }
}
