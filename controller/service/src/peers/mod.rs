//! Controllers know each other: who is there, what namespaces may do in the whole cluster, and whose records are on their
//! way to the store.
//!
//! - `membership` decides who is there, `directory` carries that out and tells others;
//! - `heartbeats`: how controllers hear of each other at first;
//! - `link` talks to one other controller for as long as it is there, `session` is one conversation with it, `service` the
//!   end that is called;
//! - `throttles` drives [`oxwhisk_throttle::Node`] over the conversations;
//! - `recent` asks for records;
//! - `convert` translates between the contract's messages and the platform's types.
//!
//! Heartbeats lie on a channel to which others than controllers may write. They say where to look and no more: a controller
//! is there once a handshake has shown its certificate, and it is gone once its address refuses, another process answers
//! in its name, it has said so itself, or it has been silent for too long, on the channel and on its conversation.

mod convert;
mod directory;
mod heartbeats;
mod identity;
mod link;
mod membership;
mod options;
mod recent;
mod service;
mod session;
mod throttles;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oxwhisk_controller::{RecordsElsewhere, RecordsHere, Throttles};
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::Dialer;
use oxwhisk_messaging::Bus;
use oxwhisk_proto::peer::v1::peer_server::PeerServer;
use oxwhisk_throttle::View;
use tokio::sync::mpsc;

use convert::ended_to_wire;
use directory::{Directory, Input, Shared};
use heartbeats::Heartbeats;

pub use identity::PeerIdentity;
pub use options::PeerOptions;
pub use service::PeerService;

/// Is told who is there, in order, by one task: it does not wait.
pub trait MembershipListener: fmt::Debug + Send + Sync + 'static {
    /// A controller is there, as its certificate shows.
    fn joined(&self, peer: &PeerIdentity);
    /// A process has ended, or is taken to have; in the latter case it may join again.
    fn gone(&self, incarnation: Incarnation);
    /// What it said last may be lost.
    fn cut_off(&self, incarnation: Incarnation);
    /// Activations that this controller counts have ended elsewhere. May come from another task than the rest.
    fn ended(&self, ids: &[ActivationId]);
    /// Those who decide about limits together are others than before; this controller is always one of them.
    fn members(&self, view: &View);
}

/// The other controllers, for whoever reads what they have left on the bus.
pub trait OtherControllers: fmt::Debug + Send + Sync + 'static {
    /// As [`Peers::is_present`]. Tells notes of living controllers from what a dead one has left, whose end nobody here may
    /// have seen.
    fn is_present(&self, incarnation: Incarnation) -> bool;

    /// Tells a controller that activations have ended that it counts. Does not wait; lost where there is no conversation with
    /// it, or too much on it.
    fn tell_ended(&self, incarnation: Incarnation, ids: &[ActivationId]);
}

/// What a controller's part in the cluster works with.
#[derive(Clone, Debug)]
pub struct PeerParts {
    pub bus: Arc<dyn Bus>,
    pub dialer: Dialer,
    /// What others are told who look for a record.
    pub records: Arc<dyn RecordsHere>,
}

/// One controller's part in the cluster.
#[derive(Debug)]
pub struct Peers {
    shared: Arc<Shared>,
    bus: Arc<dyn Bus>,
    /// Until it is started.
    inputs: Mutex<Option<mpsc::Receiver<Input>>>,
}

/// Inputs that wait for the directory; whoever has another one waits.
const MAX_INPUTS: usize = 1024;

impl Peers {
    /// Nothing runs before [`Peers::start`].
    #[must_use]
    pub fn new(own: PeerIdentity, parts: PeerParts, options: PeerOptions) -> Self {
        let PeerParts { bus, dialer, records } = parts;
        let (sender, inputs) = mpsc::channel(MAX_INPUTS);
        let shared = Arc::new(Shared::new(own, dialer, records, options, sender));
        Self { shared, bus, inputs: Mutex::new(Some(inputs)) }
    }

    /// What other controllers call.
    #[must_use]
    pub fn service(&self) -> PeerServer<PeerService> {
        PeerServer::new(PeerService::new(Arc::clone(&self.shared)))
    }

    /// Limits that hold for the whole cluster.
    #[must_use]
    pub fn throttles(&self) -> Arc<dyn Throttles> {
        Arc::clone(&self.shared.throttles) as Arc<dyn Throttles>
    }

    /// Other controllers' recent records.
    #[must_use]
    pub fn elsewhere(&self) -> Arc<dyn RecordsElsewhere> {
        Arc::new(recent::PeerRecords::new(Arc::clone(&self.shared)))
    }

    /// Begins to tell others and to look for them. The service must be served already, since others call it at once. A second
    /// start does nothing.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(&self, listener: Arc<dyn MembershipListener>) {
        let inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(inputs) = inputs else { return };
        let shared = &self.shared;
        shared.listened_by(Arc::clone(&listener));
        let directory = Directory::new(Arc::clone(shared), listener);
        shared.spawn(directory.run(inputs));
        shared.spawn(Arc::clone(&shared.throttles).keep_time());
        let heartbeats = Heartbeats::new(Arc::clone(shared), Arc::clone(&self.bus));
        shared.spawn(Arc::clone(&heartbeats).publish());
        shared.spawn(heartbeats.listen());
    }

    /// Waits, at most for `limit`, until this controller has heard of the others and talks to all of them. Before that it must
    /// not serve: it would decide about limits as if it were alone. Says whether it came to that.
    pub async fn settled(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.shared.settled()).await.is_ok()
    }

    /// Whether this process may be running: it has joined and is not gone, or its heartbeats come and it could not be asked
    /// yet. Whatever else is read of a controller for which this says no after [`Peers::settled`] was left by a dead one.
    #[must_use]
    pub fn is_present(&self, incarnation: Incarnation) -> bool {
        incarnation == self.shared.own.incarnation || self.shared.is_present(incarnation)
    }

    /// Tells the others that this controller has drained and owes nothing any more, after which it can decide about no limit;
    /// waits for the bus at most for `limit`.
    pub async fn leave(&self, limit: Duration) {
        self.shared.leave();
        let heartbeats = Heartbeats::new(Arc::clone(&self.shared), Arc::clone(&self.bus));
        if tokio::time::timeout(limit, heartbeats.beat()).await.is_err() {
            tracing::warn!("the bus did not take the last heartbeat in time");
        }
    }

    /// Ends everything, at most within `limit`; says whether it did.
    pub async fn close(&self, limit: Duration) -> bool {
        self.shared.close(limit).await
    }
}

impl OtherControllers for Peers {
    fn is_present(&self, incarnation: Incarnation) -> bool {
        Self::is_present(self, incarnation)
    }

    fn tell_ended(&self, incarnation: Incarnation, ids: &[ActivationId]) {
        if let Some(peer) = self.shared.peer(incarnation) {
            self.shared.throttles.say_to(&peer.member(), ended_to_wire(ids));
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
