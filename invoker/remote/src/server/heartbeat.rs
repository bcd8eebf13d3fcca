//! The invoker's sign of life, for whoever listens on the channel `health`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_core::heartbeat::{Heartbeat, InvokerHeartbeat};
use oxwhisk_messaging::{BusError, Channel};
use tokio::time::MissedTickBehavior;

use super::shell::Shell;

/// What an invoker says of itself, and how often.
#[derive(Clone, Debug)]
pub struct HeartbeatOptions {
    /// `host:port` of its gRPC server, as controllers reach it.
    pub address: String,
    /// Its own name, for people; may be empty.
    pub name: String,
    pub version: String,
    /// From one heartbeat to the next.
    pub interval: Duration,
}

impl HeartbeatOptions {
    /// Every second, as OpenWhisk's invokers do.
    #[must_use]
    pub const fn new(address: String, name: String, version: String) -> Self {
        Self { address, name, version, interval: Duration::from_secs(1) }
    }
}

/// Publishes heartbeats until the shell stops, whether the bus takes them or not.
pub(super) async fn announce(shell: Arc<Shell>, options: HeartbeatOptions) {
    let beating = async {
        let mut ticks = tokio::time::interval(options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shell.drained.notified() => {}
            }
            let published = shell.publish(shell.heartbeat(&options), options.interval).await;
            note(&mut away, published);
        }
    };
    shell.stop.run_until_cancelled(beating).await;
}

/// Says once that heartbeats are not taken, and once that they are again.
fn note(away: &mut bool, published: Result<(), BusError>) {
    match published {
        Ok(()) if *away => tracing::info!("heartbeats are published again"),
        Err(error) if !*away => tracing::warn!(%error, "heartbeats are not published; they are tried on"),
        Ok(()) | Err(_) => return,
    }
    *away = !*away;
}

impl Shell {
    fn heartbeat(&self, options: &HeartbeatOptions) -> Heartbeat {
        let state = self.state();
        let capacity = self.capacity(&state);
        Heartbeat::Invoker(InvokerHeartbeat {
            id: self.identity.id,
            incarnation: self.identity.incarnation,
            name: options.name.clone(),
            address: options.address.clone(),
            version: options.version.clone(),
            enabled: self.invoker().is_some() && !state.keeper.is_draining(),
            kinds: self.identity.kinds.clone(),
            memory: capacity.memory,
            free: capacity.memory - capacity.busy,
        })
    }

    /// A bus that does not answer holds up no later heartbeat.
    async fn publish(&self, heartbeat: Heartbeat, limit: Duration) -> Result<(), BusError> {
        let payload = match serde_json::to_vec(&heartbeat) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => return Err(BusError::Unavailable(error.to_string())),
        };
        let key = self.identity.id.to_string();
        let publishing = self.bus.publish(Channel::Health, &key, payload);
        let timed_out = Err(BusError::TimedOut { topic: Channel::Health.name() });
        tokio::time::timeout(limit, publishing).await.unwrap_or(timed_out)
    }
}
