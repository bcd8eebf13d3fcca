//! The fleet, from the side of an administrator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_controller_admin::parts::Health;
use oxwhisk_controller_admin::{InvokerDirectory, InvokerStatus};
use oxwhisk_core::id::InvokerId;
use oxwhisk_loadbalancer::fleet::{Service, State};

use crate::engine::{ClusterEngine, InvokerDetails};

/// What runs activations on a fleet, as far as administrators look at it.
#[async_trait]
pub trait FleetAccess: fmt::Debug + Send + Sync + 'static {
    /// Every invoker that was heard of or set by an administrator, by number.
    fn members(&self) -> Vec<InvokerDetails>;

    /// Puts an invoker into service or takes it out; says what it was before. `None`: there is no such
    /// invoker.
    fn set_service(&self, id: InvokerId, service: Service) -> Option<Service>;

    /// Waits, at most for `limit`, until nothing of this controller runs there; what still does. `None`: there is no such
    /// invoker.
    async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64>;
}

#[async_trait]
impl FleetAccess for ClusterEngine {
    fn members(&self) -> Vec<InvokerDetails> {
        self.details()
    }

    fn set_service(&self, id: InvokerId, service: Service) -> Option<Service> {
        ClusterEngine::set_service(self, id, service)
    }

    async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64> {
        ClusterEngine::drained(self, id, limit).await
    }
}

/// An [`InvokerDirectory`] over a fleet.
#[derive(Debug)]
pub struct FleetDirectory(Arc<dyn FleetAccess>);

impl FleetDirectory {
    #[must_use]
    pub fn new(fleet: Arc<dyn FleetAccess>) -> Self {
        Self(fleet)
    }
}

#[async_trait]
impl InvokerDirectory for FleetDirectory {
    fn invokers(&self) -> Vec<InvokerStatus> {
        self.0.members().into_iter().map(status).collect()
    }

    async fn set_enabled(&self, id: InvokerId, enabled: bool) -> Option<bool> {
        let service = if enabled { Service::Enabled } else { Service::Draining };
        Some(self.0.set_service(id, service)? == Service::Enabled)
    }

    async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64> {
        self.0.drained(id, limit).await
    }
}

fn status(member: InvokerDetails) -> InvokerStatus {
    let InvokerDetails { info, running } = member;
    let enabled = info.service == Service::Enabled;
    let health = match info.state {
        _ if !enabled => Health::Down,
        State::Healthy => Health::Up,
        State::Unhealthy => Health::Unhealthy,
        State::Unresponsive => Health::Unresponsive,
        State::Offline => Health::Down,
    };
    InvokerStatus {
        id: info.id,
        health,
        enabled,
        memory: info.memory,
        // What a new container could not get, idle ones evicted, is at work. An invoker does not tell how much of the
        // rest warm containers have.
        busy: info.memory.saturating_sub(info.free),
        idle: 0,
        running,
        address: info.address.to_string(),
        version: info.version.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::time::Instant;

    use oxwhisk_loadbalancer::fleet::{Fleet, FleetConfig, Heartbeat, Kinds, Report};

    use super::*;

    #[derive(Debug)]
    struct OneFleet(Mutex<Fleet>);

    #[async_trait]
    impl FleetAccess for OneFleet {
        fn members(&self) -> Vec<InvokerDetails> {
            let fleet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            fleet.list().map(|info| InvokerDetails { running: u64::from(info.id.0), info }).collect()
        }

        fn set_service(&self, id: InvokerId, service: Service) -> Option<Service> {
            let mut fleet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let before = fleet.list().find(|info| info.id == id)?.service;
            fleet.set_service(id, service, Instant::now()).ok()?;
            Some(before)
        }

        async fn drained(&self, id: InvokerId, _limit: Duration) -> Option<u64> {
            let fleet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            fleet.list().find(|info| info.id == id).map(|info| u64::from(info.id.0))
        }
    }

    fn directory() -> FleetDirectory {
        let mut fleet = Fleet::new(FleetConfig::default());
        let report = Report { enabled: true, kinds: Kinds::All, memory: 2048, free: 1536 };
        let heartbeat = Heartbeat {
            id: InvokerId(1),
            name: "node7".into(),
            address: "node7:9090".into(),
            version: "0.1.0".into(),
            report,
        };
        fleet.heartbeat(heartbeat, Instant::now()).expect("a small number");
        FleetDirectory::new(Arc::new(OneFleet(Mutex::new(fleet))))
    }

    #[test]
    fn those_that_were_heard_of_are_listed_with_what_they_said() {
        let listed = directory().invokers();
        assert_eq!(listed.len(), 1);
        let one = &listed[0];
        assert_eq!((one.id, one.enabled, one.memory, one.busy), (InvokerId(1), true, 2048, 512));
        assert_eq!((one.address.as_str(), one.version.as_str(), one.running), ("node7:9090", "0.1.0", 1));
    }

    #[tokio::test]
    async fn one_that_is_drained_is_down_until_it_is_enabled() {
        let directory = directory();
        assert_eq!(directory.set_enabled(InvokerId(1), false).await, Some(true));
        assert_eq!(directory.invokers()[0].health, Health::Down);
        assert!(!directory.invokers()[0].enabled);
        assert_eq!(directory.drained(InvokerId(1), Duration::ZERO).await, Some(1));
        assert_eq!(directory.set_enabled(InvokerId(1), true).await, Some(false));
        assert!(directory.invokers()[0].enabled);
        assert_eq!(directory.set_enabled(InvokerId(7), false).await, None);
        assert_eq!(directory.drained(InvokerId(7), Duration::ZERO).await, None);
    }
}
