//! What runs activations.

use std::sync::Arc;

use oxwhisk_controller::Records;
use oxwhisk_grpc::Dialer;
use oxwhisk_invoker_remote::client::ControllerIdentity;
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_messaging::LaneBus;
use oxwhisk_store::ActivationStore;

use crate::config::ServiceConfig;
use crate::peers::OtherControllers;
use crate::{ClusterEngine, EngineConfig, EngineParts};

/// What an engine works with, beside the configuration.
pub(super) struct Backing {
    pub(super) bus: Arc<dyn LaneBus>,
    pub(super) records: Arc<Records>,
    pub(super) activations: Arc<dyn ActivationStore>,
    pub(super) identity: ControllerIdentity,
    pub(super) dialer: Dialer,
    pub(super) others: Arc<dyn OtherControllers>,
}

/// Puts the engine together.
pub(super) fn engine(config: &ServiceConfig, backing: Backing) -> ClusterEngine {
    let Backing { bus, records, activations, identity, dialer, others } = backing;
    let engine_config = EngineConfig {
        max_attempts: config.cluster.max_attempts,
        fleet: config.cluster.fleet.clone(),
        ..EngineConfig::new(identity)
    };
    let tickets = Arc::clone(&config.tickets);
    let parts = EngineParts { bus, activations, records, tickets, dialer, others };
    ClusterEngine::new(engine_config, Box::new(HashPlacement), parts)
}
