//! How controllers hear of each other: each tells the channel `health` that it is there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_core::heartbeat::{ControllerHeartbeat, Heartbeat};
use oxwhisk_dispatch::Incarnation;
use oxwhisk_messaging::{Bus, BusError, Channel, Heard, Listener};
use tokio::time::MissedTickBehavior;

use super::PeerIdentity;
use super::directory::{Input, Shared};

/// Pause before the channel is tried again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Heartbeats {
    shared: Arc<Shared>,
    bus: Arc<dyn Bus>,
}

impl Heartbeats {
    pub(super) fn new(shared: Arc<Shared>, bus: Arc<dyn Bus>) -> Arc<Self> {
        Arc::new(Self { shared, bus })
    }

    /// Tells it again and again, until this controller leaves. A bus that is away is told when it is back: conversations go on
    /// meanwhile.
    pub(super) async fn publish(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.shared.options.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.shared.is_leaving() {
                return;
            }
            self.beat().await;
        }
    }

    pub(super) async fn beat(&self) {
        let PeerIdentity { name, incarnation, address } = self.shared.own.clone();
        let heartbeat = Heartbeat::Controller(ControllerHeartbeat {
            name: name.clone(),
            incarnation: incarnation.0,
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leaving: self.shared.is_leaving(),
        });
        let published = match serde_json::to_vec(&heartbeat) {
            Ok(text) => self.bus.publish(Channel::Health, &name, Bytes::from(text)).await,
            Err(error) => Err(BusError::Unavailable(error.to_string())),
        };
        if let Err(error) = published {
            tracing::debug!(%error, "the bus does not take a heartbeat");
        }
    }

    /// Hears others until the bus closes.
    pub(super) async fn listen(self: Arc<Self>) {
        loop {
            let error = match self.bus.listen(Channel::Health, self.shared.options.silence).await {
                Ok(listener) => {
                    self.shared.listens();
                    self.hear(listener).await
                }
                Err(error) => error,
            };
            if matches!(error, BusError::Closed) {
                return;
            }
            tracing::warn!(%error, "cannot hear of other controllers");
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn hear(&self, mut listener: Box<dyn Listener>) -> BusError {
        loop {
            match listener.next().await {
                Ok(Heard::Message { payload, .. }) => {
                    if let Some((peer, leaving)) = controller(&payload) {
                        self.shared.input(Input::Heartbeat(peer, leaving)).await;
                    }
                }
                // The next heartbeats say the same.
                Ok(Heard::Missed) => {}
                Err(error) => return error,
            }
        }
    }
}

/// Whose heartbeat it is, and whether it is the last one; `None` if it is no controller's.
fn controller(payload: &[u8]) -> Option<(PeerIdentity, bool)> {
    match serde_json::from_slice(payload) {
        Ok(Heartbeat::Controller(heartbeat)) => {
            let ControllerHeartbeat { name, incarnation, address, leaving, .. } = heartbeat;
            Some((PeerIdentity { name, incarnation: Incarnation(incarnation), address }, leaving))
        }
        Ok(Heartbeat::Invoker(_)) => None,
        Err(error) => {
            tracing::debug!(%error, "what is no heartbeat is passed over");
            None
        }
    }
}
