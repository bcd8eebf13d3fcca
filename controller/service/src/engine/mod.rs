//! The engine of a cluster: it drives [`oxwhisk_dispatch::Dispatcher`] over lanes of the bus and conversations with
//! invokers, and places work by [`oxwhisk_loadbalancer::balancer::Balancer`].
//!
//! Both are pure and stand, with what they speak of, in one [`state::State`] under one lock: an event goes in, effects
//! come out, and what takes no time is done at once ([`step`]). So a blocking call goes from its request to the
//! invoker's stream in one critical section, without a hand-off. What takes time (the bus, the store) is a task of its
//! own that ends in another event:
//!
//! ```text
//! HTTP ──> calls ─┐                        ┌──> conversations (orders, wants)
//! lanes ──────────┼──> State: Dispatcher ──┼──> produce (appends, records) ──┐
//! fleet (heard) ──┤           Balancer     ├──> checks (store)  ─────────────┤
//! timers ─────────┘                        └──> clients (answers)            │
//!        ^────────────────────────── events ─────────────────────────────────┘
//! ```

mod calls;
mod checks;
mod config;
mod counts;
mod directory;
mod fleet;
mod inflight;
mod lanes;
mod live;
mod parked;
mod place;
mod produce;
mod read;
mod state;
mod step;
mod submit;
mod test_action;
mod timers;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use oxwhisk_controller::{
    Admissions, Admitted, Called, Engine, InFlight, InvokerState, Records, Refused, StartError,
};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::record::RecordKind;
use oxwhisk_dispatch::{Event, Incarnation};
use oxwhisk_invoker_api::ChangedAction;
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::client::Outgoing;
use oxwhisk_loadbalancer::Placement;
use oxwhisk_messaging::{BusError, LaneBus, LaneControl};
use oxwhisk_store::ActivationStore;
use oxwhisk_throttle::View;
use oxwhisk_ticket::TicketIssuer;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::peers::{MembershipListener, OtherControllers, PeerIdentity};
pub use config::EngineConfig;
pub use directory::InvokerDetails;
use state::State;

/// What the engine works with.
#[derive(Clone, Debug)]
pub struct EngineParts {
    pub bus: Arc<dyn LaneBus>,
    pub activations: Arc<dyn ActivationStore>,
    pub records: Arc<Records>,
    pub tickets: Arc<TicketIssuer>,
    /// Reaches invokers.
    pub dialer: Dialer,
    pub others: Arc<dyn OtherControllers>,
}

/// Runs activations on the invokers of a cluster.
#[derive(Debug)]
pub struct ClusterEngine(Arc<Core>);

/// What all tasks of the engine share.
#[derive(Debug)]
struct Core {
    config: EngineConfig,
    parts: EngineParts,
    state: Mutex<State>,
    /// Since the start.
    admissions: OnceLock<Arc<Admissions>>,
    /// Since lanes are consumed.
    lanes: OnceLock<Arc<dyn LaneControl>>,
    /// A deadline came nearer.
    rearm: Notify,
    /// There is room for more messages, or none any more.
    wanted: Notify,
    /// Something has ended; for whoever waits until nothing is left.
    ended: watch::Sender<()>,
    /// The fleet, or the health of somebody in it, has changed.
    fleet_changed: watch::Sender<()>,
    tasks: TaskTracker,
    /// Conversations and their tasks.
    talking: TaskTracker,
    /// No more messages are taken from lanes.
    closing: CancellationToken,
    /// Nothing more is waited for.
    closed: CancellationToken,
    runtime: Handle,
}

impl ClusterEngine {
    /// Nothing is begun before [`Engine::start`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn new(config: EngineConfig, policy: Box<dyn Placement>, parts: EngineParts) -> Self {
        let state = Mutex::new(State::new(&config, policy));
        Self(Arc::new(Core {
            config,
            parts,
            state,
            admissions: OnceLock::new(),
            lanes: OnceLock::new(),
            rearm: Notify::new(),
            wanted: Notify::new(),
            ended: watch::Sender::new(()),
            fleet_changed: watch::Sender::new(()),
            tasks: TaskTracker::new(),
            talking: TaskTracker::new(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
            runtime: Handle::current(),
        }))
    }

    /// Another controller process has ended: what it owed and wrote down is taken over by whoever owns its lanes.
    pub fn controller_gone(&self, by: Incarnation) {
        let mut state = self.0.state();
        state.revive_notes_of(by);
        self.0.count_for(&mut state, by);
        self.0.handle(&mut state, Event::ControllerGone(by));
    }

    /// Activations that were accepted here have ended at another controller.
    pub fn ended_elsewhere(&self, ids: &[ActivationId]) {
        self.0.heard_ended(ids);
    }

    /// Something that another controller said may not have come here.
    pub fn missed_something(&self) {
        self.0.may_have_missed_ends();
    }

    /// A controller that was taken for ended goes on, or is new.
    pub fn controller_there(&self, by: Incarnation) {
        self.0.state().dispatcher.controller_back(by);
    }

    /// For after a [`Engine::drain`] that was too short: waits, at most for `limit`, for what invokers cut off that are being
    /// stopped as well. Whoever takes up the lanes next would not know that it had begun, and would count no attempt.
    pub async fn hear_cut_off(&self, limit: Duration) -> bool {
        self.0.until(limit, |state| !state.awaits_cut_off()).await
    }

    /// Ends everything at once; what is owed is on the bus. For after [`Engine::drain`].
    pub async fn close(&self, grace: Duration) -> bool {
        self.0.closing.cancel();
        self.0.closed.cancel();
        self.0.state().close_conversations();
        self.0.tasks.close();
        self.0.talking.close();
        let ended = async {
            self.0.tasks.wait().await;
            self.0.talking.wait().await;
        };
        tokio::time::timeout(grace, ended).await.is_ok()
    }
}

impl MembershipListener for ClusterEngine {
    fn joined(&self, peer: &PeerIdentity) {
        self.controller_there(peer.incarnation);
    }

    fn gone(&self, incarnation: Incarnation) {
        self.controller_gone(incarnation);
    }

    fn cut_off(&self, _incarnation: Incarnation) {
        self.missed_something();
    }

    fn ended(&self, ids: &[ActivationId]) {
        self.ended_elsewhere(ids);
    }

    fn members(&self, _view: &View) {}
}

impl Drop for ClusterEngine {
    fn drop(&mut self) {
        self.0.closing.cancel();
        self.0.closed.cancel();
        self.0.state().close_conversations();
    }
}

impl Core {
    /// Never held over an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Waits, at most for `limit`, until something holds of what goes on. While the engine drains only.
    async fn until(&self, limit: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let mut ended = self.ended.subscribe();
        let waiting = async {
            while !holds(&self.state()) {
                if ended.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    /// Waits, unless the engine is closed meanwhile: `None`.
    async fn pause(&self, pause: &mut Duration) -> Option<()> {
        self.closed.run_until_cancelled(tokio::time::sleep(*pause)).await?;
        *pause = (*pause * 2).min(self.config.retry_longest);
        Some(())
    }
}

#[async_trait]
impl Engine for ClusterEngine {
    /// Invokers are listened to for a while before lanes are taken; calls are served from the first invoker on.
    async fn start(&self, admissions: Arc<Admissions>) -> Result<(), StartError> {
        if self.0.admissions.set(admissions).is_err() {
            return Ok(());
        }
        self.0.spawn(fleet::listen(Arc::clone(&self.0)));
        self.0.spawn(timers::keep_time(Arc::clone(&self.0)));
        self.0.spawn(lanes::consume(Arc::clone(&self.0)));
        self.0.spawn(Arc::clone(&self.0).look_for_ends());
        Ok(())
    }

    async fn call(&self, admitted: Admitted, slot: InFlight, wait: Duration) -> Result<Called, Refused> {
        calls::call(&self.0, admitted, slot, wait).await
    }

    async fn submit(&self, admitted: Admitted, slot: InFlight) -> Result<(), BusError> {
        submit::submit(&self.0, &admitted, slot).await
    }

    async fn keep(&self, admitted: &Admitted, record: &Arc<Activation>) {
        if !admitted.store().stores(record.response.status) {
            return;
        }
        if let Err(error) = self.0.parts.records.record(record, RecordKind::Result, None).await {
            tracing::error!(activation_id = %record.activation_id, %error, "cannot keep a record");
        }
    }

    fn invalidate(&self, changed: &ChangedAction) {
        self.0.state().tell_all(|| Outgoing::Invalidate(changed.clone()));
    }

    fn invokers(&self) -> Vec<InvokerState> {
        self.0.state().listed()
    }

    async fn drain(&self, grace: Duration) -> bool {
        {
            let mut state = self.0.state();
            self.0.handle(&mut state, Event::Drain);
            state.draining = true;
        }
        self.0.closing.cancel();
        self.0.until(grace, State::is_quiet).await
    }
}

/// The platform cannot run it now.
const fn unavailable() -> Refused {
    Refused { status: StatusCode::SERVICE_UNAVAILABLE, text: None }
}
