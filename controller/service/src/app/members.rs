//! What the engine has to know of other controllers.

use std::sync::Arc;

use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_throttle::View;

use crate::ClusterEngine;
use crate::peers::{MembershipListener, PeerIdentity};

/// Has the engine take over what a controller owed that has ended.
#[derive(Debug)]
pub(super) struct Succession(pub(super) Arc<ClusterEngine>);

impl MembershipListener for Succession {
    fn joined(&self, peer: &PeerIdentity) {
        tracing::info!(name = peer.name, address = peer.address, "another controller is there");
        self.0.controller_there(peer.incarnation);
    }

    fn gone(&self, incarnation: Incarnation) {
        tracing::info!(incarnation = incarnation.0, "another controller has gone");
        self.0.controller_gone(incarnation);
    }

    fn cut_off(&self, _incarnation: Incarnation) {
        self.0.missed_something();
    }

    fn ended(&self, ids: &[ActivationId]) {
        self.0.ended_elsewhere(ids);
    }

    fn members(&self, _view: &View) {}
}
