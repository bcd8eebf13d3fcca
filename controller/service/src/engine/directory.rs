//! The fleet for administrators.

use std::time::{Duration, Instant};

use oxwhisk_core::id::InvokerId;
use oxwhisk_loadbalancer::fleet::{InvokerInfo, Service};
use tokio::sync::watch;

use super::ClusterEngine;
use super::step::Due;

/// One invoker, and what this controller has running there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokerDetails {
    pub info: InvokerInfo,
    pub running: u64,
}

impl ClusterEngine {
    /// Every invoker that was heard of, by number.
    #[must_use]
    pub fn details(&self) -> Vec<InvokerDetails> {
        let state = self.0.state();
        let running = |id| state.talks.get(&id).map_or(0, |talk| talk.running);
        let details = |info: InvokerInfo| InvokerDetails { running: running(info.id), info };
        state.balancer.fleet().list().map(details).collect()
    }

    /// Gives an invoker work, or none; what runs there goes on. Says what held before. `None`: there is no such invoker.
    #[must_use]
    pub fn set_service(&self, id: InvokerId, service: Service) -> Option<Service> {
        let mut state = self.0.state();
        let before = state.balancer.fleet().list().find(|info| info.id == id)?.service;
        let effects = state.balancer.set_service(id, service, Instant::now()).ok()?;
        let mut due = Due::new();
        self.0.balance(&mut state, effects, &mut due);
        self.0.handle_all(&mut state, due);
        self.0.fleet_changed.send_replace(());
        Some(before)
    }

    /// Waits, at most for `limit`, until nothing of this controller runs there; what still does. `None`: there is no such
    /// invoker.
    pub async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64> {
        let running = || Some(self.details().into_iter().find(|details| details.info.id == id)?.running);
        let mut ended = self.0.ended.subscribe();
        let emptied = async {
            while running().is_some_and(|running| running > 0) {
                if ended.changed().await.is_err() {
                    return;
                }
            }
        };
        // What is left tells whether the time was enough.
        let _ = tokio::time::timeout(limit, emptied).await;
        running()
    }

    /// Told after an invoker came, or its health or service changed.
    #[must_use]
    pub fn fleet_changes(&self) -> watch::Receiver<()> {
        self.0.fleet_changed.subscribe()
    }

    /// Lanes that this controller consumes.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.0.state().owned.len()
    }

    /// Invokers that get work now.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.0.state().balancer.fleet().usable()
    }
}
