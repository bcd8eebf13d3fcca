//! What the two sides ask of each other.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, InvokerId, Revision};
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_ticket::Ticket;

use crate::offers::{Room, RoomSignal};
use crate::{ActionDescriptor, Caller, Completion, Dispatch};

/// The invoker did not run the activation: it may be dispatched again, here or elsewhere, whatever its delivery.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// There is no room, and none came free within the wait for it.
    #[error("no room for a container of {memory} MB: {reason}")]
    NoRoom { memory: u64, reason: String },
    /// The invoker takes no more work.
    #[error("the invoker is draining")]
    Draining,
    /// The invoker cannot be reached. Whether the activation ran is not known.
    #[error("the invoker cannot be reached: {0}")]
    Unreachable(String),
}

/// Told just before `/run`: from here on the activation may have had effects.
#[async_trait]
pub trait StartedObserver: fmt::Debug + Send + Sync + 'static {
    async fn started(&self, id: ActivationId);
}

/// Told of every activation that has ended and was not cut off, whether or not its record is kept: for statistics.
pub trait EndedObserver: fmt::Debug + Send + Sync + 'static {
    /// On the warm path of every call: must not wait. The record may come without its logs.
    fn ended(&self, caller: &Caller, record: &Arc<Activation>);
}

/// Room of one invoker, as it believes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvokerCapacity {
    /// Megabytes for containers, and how many of them are taken by running or warm ones.
    pub memory: u64,
    pub busy: u64,
    pub idle: u64,
}

/// An action that was updated or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedAction {
    pub id: FullyQualifiedName,
    /// The revision it has now; `None` if it is deleted. Word of a change may come after the first activations of this
    /// revision: their containers are not what it is about.
    pub current: Option<Revision>,
}

impl ChangedAction {
    /// Whether containers of this action in this revision are of no use any more.
    #[must_use]
    pub fn outdates(&self, id: &FullyQualifiedName, revision: &Revision) -> bool {
        self.id == *id && self.current.as_ref() != Some(revision)
    }
}

/// An invoker, from the side of whoever dispatches.
#[async_trait]
pub trait InvokerClient: fmt::Debug + Send + Sync + 'static {
    fn id(&self) -> InvokerId;

    /// Runs an activation to its end. Failures of the action, its container or the platform are completions with a
    /// record; an error means that it did not run. Dropping the future does not stop the activation: its record
    /// reaches the [`RecordSink`] all the same.
    async fn dispatch(&self, dispatch: Dispatch) -> Result<Completion, DispatchError>;

    fn capacity(&self) -> InvokerCapacity;

    /// Removes the warm containers of an action that was updated or deleted.
    fn invalidate(&self, changed: &ChangedAction);
}

/// An activation on its way to its end, see [`InvokerClient::dispatch`].
pub type Activating = Pin<Box<dyn Future<Output = Result<Completion, DispatchError>> + Send>>;

/// An invoker whose room somebody else gives out: nothing waits in it for memory.
///
/// What is handed in is called under the pool's lock. It is quick, and asks nothing of the invoker.
pub trait RoomWatch: InvokerClient {
    /// Shows the room as it is now.
    fn look(&self, look: &mut dyn FnMut(&dyn Room));

    /// Takes a dispatch if `claim` says so of the room, and takes the room for it before anybody else can look at it.
    /// From then on it may wait for its container to start, as in [`InvokerClient::dispatch`]. Not polled, it does not
    /// run; dropped, it goes on.
    ///
    /// # Errors
    /// When it was not taken.
    fn dispatch_if(
        &self,
        dispatch: Dispatch,
        claim: &mut dyn FnMut(&dyn Room) -> bool,
    ) -> Result<Activating, DispatchError>;

    /// From now on every change by which room may have come free is followed by a [`RoomSignal::changed`]. The first
    /// signal given stays.
    fn watch(&self, signal: Arc<RoomSignal>);
}

#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The action is gone; its record says so.
    #[error("Action could not be found or may have been deleted.")]
    NotFound,
    #[error("Action version is not compatible and cannot be invoked.")]
    Mismatch,
    #[error("Action could not be fetched.")]
    Unavailable,
}

/// Where the invoker gets code.
#[async_trait]
pub trait CodeSource: fmt::Debug + Send + Sync + 'static {
    /// The code as `/init` takes it: source text or base64. `None` for an image that needs none. The ticket is that of
    /// the activation it is wanted for; sources in another process serve nothing without.
    async fn code(
        &self,
        action: &ActionDescriptor,
        ticket: Option<&Ticket>,
    ) -> Result<Option<Bytes>, CodeError>;
}

#[derive(Debug, thiserror::Error)]
#[error("the record cannot be kept: {reason}")]
pub struct RecordError {
    pub reason: String,
    /// Handing it over again will not help.
    pub lasting: bool,
}

/// What a record belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordContext<'a> {
    /// Of its activation; it takes the record to another process's bus.
    pub ticket: Option<&'a Ticket>,
    /// The span in which it is handed over.
    pub trace: Option<TraceContext>,
}

/// Takes finished records. Idempotent by activation id: the first one stays, and may be handed over once more with its
/// logs.
pub trait RecordSink: fmt::Debug + Send + Sync + 'static {
    /// Returns when the record survives the death of this process, or, where a ticket takes it to another one's bus, when
    /// it is on its way there. On the warm path of every call: no thread hop.
    ///
    /// # Errors
    /// When it cannot be kept; the caller decides whether the answer may go out.
    fn accept(&self, record: &Arc<Activation>, of: RecordContext<'_>) -> Result<(), RecordError>;
}
