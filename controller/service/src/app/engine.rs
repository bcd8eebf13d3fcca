//! What runs activations.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_controller::{Fleet, LocalEngine, Records};
use oxwhisk_core::id::InvokerId;
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_loadbalancer::fleet::Service;
use oxwhisk_messaging::Bus;
use oxwhisk_store::ActivationStore;

use crate::config::ServiceConfig;
use crate::directory::{FleetAccess, Member};

/// The engine, for the controller and for administrators.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) runs: Arc<dyn oxwhisk_controller::Engine>,
    pub(super) fleet: Arc<dyn FleetAccess>,
}

/// What an engine works with.
pub(super) struct Backing {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) records: Arc<Records>,
    pub(super) activations: Arc<dyn ActivationStore>,
}

/// Puts the engine together: until there is one that drives a fleet, one without invokers.
pub(super) fn engine(_config: &ServiceConfig, backing: Backing) -> Engine {
    let Backing { bus, records, activations } = backing;
    let fleet = Arc::new(Fleet::new(Vec::new(), Arc::new(HashPlacement)));
    let runs = Arc::new(LocalEngine::new(fleet, bus, records, activations));
    Engine { runs, fleet: Arc::new(NoInvokers) }
}

/// A fleet that nobody has joined.
#[derive(Debug)]
struct NoInvokers;

#[async_trait]
impl FleetAccess for NoInvokers {
    fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    fn set_service(&self, _id: InvokerId, _service: Service) -> Option<Service> {
        None
    }

    async fn drained(&self, _id: InvokerId, _limit: Duration) -> u64 {
        0
    }
}
