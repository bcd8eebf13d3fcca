//! What carries out invocations that were admitted: in one process, or in a cluster.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use oxwhisk_core::entity::Activation;
use oxwhisk_invoker_api::ChangedAction;
use oxwhisk_messaging::BusError;

use crate::controller::StartError;
use crate::invoke::{Admissions, Admitted};
use crate::throttle::InFlight;

/// Runs activations. An activation whose id was answered ends in exactly one record.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Takes up what an earlier process left, and begins to work. Called once, before anything else.
    ///
    /// # Errors
    /// When what was left cannot be read.
    async fn start(&self, admissions: Arc<Admissions>) -> Result<(), StartError>;

    /// Runs it and waits for its end, as long as the client wants to. `slot` is the throttle's, held until it ends. The
    /// future may be dropped: what has begun goes on.
    ///
    /// # Errors
    /// When nobody ran it, and nothing is owed.
    async fn call(&self, admitted: Admitted, slot: InFlight, wait: Duration) -> Result<Called, Refused>;

    /// Makes it durable; it runs in its turn.
    ///
    /// # Errors
    /// When the bus did not say that it has it.
    async fn submit(&self, admitted: Admitted, slot: InFlight) -> Result<(), BusError>;

    /// Keeps the record of an activation that never came to an invoker, if such records are kept. It is durable, or on
    /// its way as surely as any, when this returns.
    async fn keep(&self, admitted: &Admitted, record: &Arc<Activation>);

    /// Has the warm containers of a changed action removed.
    fn invalidate(&self, changed: &ChangedAction);

    /// Every invoker, by number.
    fn invokers(&self) -> Vec<InvokerState>;

    /// Begins nothing more and waits, at most for `grace`, for what runs. What is queued stays durable. Says whether
    /// everything ended in time.
    async fn drain(&self, grace: Duration) -> bool;
}

/// How a blocking invocation came out.
#[derive(Debug)]
pub enum Called {
    /// Its record, whose logs may be missing.
    Ended(Arc<Activation>),
    /// The wait for it is over: it is accepted, and its record will be there.
    Accepted,
}

/// Nobody ran it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    /// For the client; `None` is the platform's standard text for the status.
    pub text: Option<String>,
}

/// An invoker as `GET /invokers` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokerState {
    /// `invoker0/0`.
    pub name: String,
    /// `up`, `down`, `unhealthy` or `unresponsive`.
    pub state: &'static str,
}

impl InvokerState {
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == "up"
    }
}
