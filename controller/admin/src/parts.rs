//! What the admin API works with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::id::InvokerId;
use oxwhisk_messaging::{Bus, BusError, Delivery, Message, Topic};
use oxwhisk_store::{DatabaseContents, SubjectStore};

use crate::edits::Edits;

/// The controller's caches.
#[async_trait]
pub trait Caches: fmt::Debug + Send + Sync + 'static {
    /// Forgets who may call and with which limits: here before it returns, on other controllers soon after.
    async fn forget_identities(&self);

    /// The same for actions and other entities.
    async fn forget_entities(&self);
}

/// An invoker as the controller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokerStatus {
    pub id: InvokerId,
    pub health: Health,
    /// Whether it gets work.
    pub enabled: bool,
    /// Megabytes for containers, then those taken by running ones and by idle ones.
    pub memory: u64,
    pub busy: u64,
    pub idle: u64,
    /// Activations that this controller has running there.
    pub running: u64,
    /// `in-process`, or an address.
    pub address: String,
    pub version: String,
}

/// OpenWhisk's states of an invoker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    /// Silent, or disabled.
    Down,
    /// Its containers fail.
    Unhealthy,
    /// Alive, and activations get no answer.
    Unresponsive,
}

/// The fleet, from the side of an administrator.
#[async_trait]
pub trait InvokerDirectory: fmt::Debug + Send + Sync + 'static {
    /// Every invoker, by number.
    fn invokers(&self) -> Vec<InvokerStatus>;

    /// Gives an invoker work, or none; says whether it got some before. `None`: there is no such invoker.
    async fn set_enabled(&self, id: InvokerId, enabled: bool) -> Option<bool>;

    /// Waits, at most for `limit`, until nothing of this controller runs there; what still does. `None`: there is no such
    /// invoker.
    async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64>;
}

/// Queues again what had failed on every attempt.
#[async_trait]
pub trait Redrive: fmt::Debug + Send + Sync + 'static {
    /// Returns when `message` is durable on `activations`. `letter` is as it lies among the dead letters.
    ///
    /// # Errors
    /// When the bus did not say that it has it.
    async fn redrive(&self, letter: &Delivery, message: Message) -> Result<(), BusError>;
}

/// [`Redrive`] on a bus where it does not matter where among the others a message lies.
#[derive(Debug)]
struct ByRoute(Arc<dyn Bus>);

#[async_trait]
impl Redrive for ByRoute {
    async fn redrive(&self, _letter: &Delivery, message: Message) -> Result<(), BusError> {
        self.0.produce(Topic::Activations, message).await
    }
}

/// The databases, row by row.
#[derive(Clone, Debug)]
pub struct Contents {
    pub subjects: Arc<dyn DatabaseContents>,
    pub entities: Arc<dyn DatabaseContents>,
    pub activations: Arc<dyn DatabaseContents>,
}

/// Everything the services need.
#[derive(Debug)]
pub struct Parts {
    pub(crate) subjects: Arc<dyn SubjectStore>,
    pub(crate) contents: Contents,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) invokers: Arc<dyn InvokerDirectory>,
    pub(crate) caches: Arc<dyn Caches>,
    pub(crate) redrive: Arc<dyn Redrive>,
    pub(crate) edits: Edits,
    /// The configuration in force as TOML, without secrets.
    pub(crate) config: String,
}

impl Parts {
    /// `config` is the configuration in force as TOML, without secrets.
    #[must_use]
    pub fn new(
        subjects: Arc<dyn SubjectStore>,
        contents: Contents,
        bus: Arc<dyn Bus>,
        invokers: Arc<dyn InvokerDirectory>,
        caches: Arc<dyn Caches>,
        config: String,
    ) -> Self {
        let redrive = Arc::new(ByRoute(Arc::clone(&bus)));
        Self { subjects, contents, bus, invokers, caches, redrive, edits: Edits::default(), config }
    }

    /// Has dead letters queued again by `redrive`.
    #[must_use]
    pub fn with_redrive(self, redrive: Arc<dyn Redrive>) -> Self {
        Self { redrive, ..self }
    }
}
