//! The engine of one process: invocations run where they are admitted, or go through the embedded queue.

mod blocking;
mod dispatcher;
mod fleet;
mod queue;
mod recovery;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_invoker_api::{ChangedAction, Completion, Dispatch, DispatchError, InvokerClient};
use oxwhisk_messaging::{Bus, BusError, Topic};
use oxwhisk_store::ActivationStore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::controller::StartError;
use crate::invoke::{Admissions, Admitted, Called, Engine, InvokerState, Records, Refused};
use crate::throttle::InFlight;
use dispatcher::Dispatcher;
pub use fleet::Fleet;
use recovery::recover;

/// What the engine works with.
#[derive(Clone, Debug)]
struct Parts {
    fleet: Arc<Fleet>,
    bus: Arc<dyn Bus>,
    records: Arc<Records>,
    activations: Arc<dyn ActivationStore>,
}

/// Runs activations on invokers of this process; its queue has one consumer.
#[derive(Debug)]
pub struct LocalEngine {
    parts: Parts,
    /// Since its start.
    runs: OnceLock<Arc<Runs>>,
    /// What goes on after its client has gone.
    detached: TaskTracker,
    dispatchers: TaskTracker,
    closing: CancellationToken,
}

/// All it takes to run actions.
#[derive(Debug)]
struct Runs {
    parts: Parts,
    admissions: Arc<Admissions>,
    tasks: TaskTracker,
    /// Slots of invocations that are queued, until the dispatcher takes them up.
    queued: Mutex<HashMap<ActivationId, InFlight>>,
    /// Records that are owed and were not taken yet.
    owed: AtomicUsize,
}

impl Runs {
    /// Runs an activation at an invoker, watched.
    async fn run(&self, mut dispatch: Dispatch) -> Result<Completion, DispatchError> {
        let mut watched = self.admissions.dispatching(&dispatch);
        watched.sent(&mut dispatch);
        let ended = self.parts.fleet.run(dispatch).await;
        match &ended {
            Ok(completion) => watched.ended(completion.activation.response.status),
            Err(error) => watched.refused(error),
        }
        ended
    }
}

impl LocalEngine {
    #[must_use]
    pub fn new(
        fleet: Arc<Fleet>,
        bus: Arc<dyn Bus>,
        records: Arc<Records>,
        activations: Arc<dyn ActivationStore>,
    ) -> Self {
        Self {
            parts: Parts { fleet, bus, records, activations },
            runs: OnceLock::new(),
            detached: TaskTracker::new(),
            dispatchers: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }
}

#[async_trait]
impl Engine for LocalEngine {
    async fn start(&self, admissions: Arc<Admissions>) -> Result<(), StartError> {
        let runs = Arc::new(Runs {
            parts: self.parts.clone(),
            admissions,
            tasks: self.detached.clone(),
            queued: Mutex::default(),
            owed: AtomicUsize::new(0),
        });
        let given_up = recover(&runs).await?;
        let topic = Topic::Activations;
        let subscription = self.parts.bus.subscribe(topic).await?;
        let dispatcher = Arc::new(Dispatcher { runs: Arc::clone(&runs), topic, given_up });
        self.dispatchers.spawn(dispatcher.run(subscription, self.closing.clone()));
        // A second start would have failed above: the topic has a subscription.
        let _ = self.runs.set(runs);
        Ok(())
    }

    async fn call(&self, admitted: Admitted, slot: InFlight, wait: Duration) -> Result<Called, Refused> {
        match self.runs.get() {
            Some(runs) => runs.call(admitted, slot, wait).await,
            None => Err(Refused { status: StatusCode::SERVICE_UNAVAILABLE, text: None }),
        }
    }

    async fn submit(&self, admitted: Admitted, slot: InFlight) -> Result<(), BusError> {
        match self.runs.get() {
            Some(runs) => runs.queue(&admitted, slot).await,
            None => Err(BusError::Unavailable("the engine was not started".to_owned())),
        }
    }

    async fn keep(&self, admitted: &Admitted, record: &Arc<Activation>) {
        if let Some(runs) = self.runs.get() {
            runs.keep(record, admitted.store());
        }
    }

    fn invalidate(&self, changed: &ChangedAction) {
        self.parts.fleet.invalidate(changed);
    }

    fn invokers(&self) -> Vec<InvokerState> {
        let state = |invoker: &Arc<dyn InvokerClient>| {
            let id = invoker.id();
            InvokerState { name: format!("{id}/{}", id.0), state: "up" }
        };
        self.parts.fleet.invokers().iter().map(state).collect()
    }

    async fn drain(&self, grace: Duration) -> bool {
        self.closing.cancel();
        self.dispatchers.close();
        self.detached.close();
        let ended = async {
            self.dispatchers.wait().await;
            self.detached.wait().await;
        };
        tokio::time::timeout(grace, ended).await.is_ok()
    }
}
