//! What the shell keeps of an activation beside the dispatcher's entry.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::{Admitted, Called, Dispatching, InFlight, Refused};
use oxwhisk_core::entity::{Activation, Status};
use oxwhisk_core::id::InvokerId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_invoker_api::offers::{OfferId, WorkKey};
use oxwhisk_invoker_api::{Dispatch, StorePolicy};
use oxwhisk_trace::Span;
use tokio::sync::oneshot;

pub(super) type Client = oneshot::Sender<Result<Called, Refused>>;

/// An activation that is ready to be placed.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) admitted: Arc<Admitted>,
    /// Attempt, ticket and offer are put in when it is sent.
    pub(super) dispatch: Dispatch,
    pub(super) key: Arc<WorkKey>,
}

impl Ready {
    pub(super) fn new(admitted: Admitted, dispatch: Dispatch) -> Self {
        let key = Arc::new(admitted.work_key());
        Self { admitted: Arc::new(admitted), dispatch, key }
    }
}

/// Where it was placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) invoker: InvokerId,
    /// It stood in line for this room, so it goes back to the line's head if there is none after all.
    pub(super) from_line: bool,
    pub(super) offer: Option<OfferId>,
}

/// An invoker had no room for it after all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Returned {
    pub(super) invoker: InvokerId,
    /// Megabytes that it says it has.
    pub(super) free: u64,
}

#[derive(Debug)]
pub(super) struct Live {
    /// As it is on the bus; made of `ready` where a note or a retry needs it.
    pub(super) message: Option<Arc<ActivationMessage>>,
    pub(super) ready: Option<Ready>,
    /// It is being looked up, or waits to be.
    pub(super) preparing: bool,
    pub(super) client: Option<Client>,
    /// A blocking call: it counts among those, to its end.
    pub(super) is_call: bool,
    /// Held where it is counted here because it runs here.
    pub(super) slot: Option<InFlight>,
    /// The controller that counts it since its 202, which may be this one.
    pub(super) counted_by: Option<Incarnation>,
    /// It came from the fair queue and counts as outside for its namespace.
    pub(super) outside: Option<EntityName>,
    /// Bytes that count for the read-ahead, if it came from a lane.
    pub(super) read: Option<usize>,
    /// It counts for its namespace's backlog.
    pub(super) in_backlog: bool,
    /// Counted by the balancer as begun there.
    pub(super) at: Option<At>,
    pub(super) returned: Option<Returned>,
    /// Invokers that had no room since it was last in line.
    pub(super) tried: Vec<InvokerId>,
    /// Before it is offered again after nobody took it.
    pub(super) pause: Duration,
    pub(super) result: Option<Arc<Activation>>,
    /// From when it is ready until an invoker told its end.
    pub(super) dispatching: Option<Dispatching>,
    /// The span of its message.
    pub(super) taken_up: Option<Span>,
}

impl Live {
    fn new(message: Option<Arc<ActivationMessage>>, ready: Option<Ready>, pause: Duration) -> Self {
        Self {
            message,
            ready,
            preparing: false,
            client: None,
            is_call: false,
            slot: None,
            counted_by: None,
            outside: None,
            read: None,
            in_backlog: false,
            at: None,
            returned: None,
            tried: Vec::new(),
            pause,
            result: None,
            dispatching: None,
            taken_up: None,
        }
    }

    /// A blocking call.
    pub(super) fn call(ready: Ready, client: Client, slot: InFlight, pause: Duration) -> Self {
        Self { client: Some(client), is_call: true, slot: Some(slot), ..Self::new(None, Some(ready), pause) }
    }

    /// A message of the bus; `bytes` count for the read-ahead.
    pub(super) fn message(message: Arc<ActivationMessage>, bytes: usize, pause: Duration) -> Self {
        Self { read: Some(bytes), ..Self::new(Some(message), None, pause) }
    }

    pub(super) fn to_message(&self) -> Option<Arc<ActivationMessage>> {
        self.message.clone().or_else(|| Some(Arc::new(self.ready.as_ref()?.admitted.message())))
    }

    /// Where nothing is known, a record is kept.
    pub(super) fn store(&self) -> StorePolicy {
        self.ready.as_ref().map_or(StorePolicy::ALWAYS, |ready| ready.admitted.store())
    }

    /// An invoker told its end. What is answered is told when it is dropped.
    pub(super) fn ended(&mut self, status: Status) -> Option<Dispatching> {
        let mut dispatching = self.dispatching.take()?;
        dispatching.ended(status);
        Some(dispatching)
    }

    pub(super) fn answer(&mut self, answer: Result<Called, Refused>) {
        if let Some(client) = self.client.take() {
            // Whoever has gone needs no answer.
            let _ = client.send(answer);
        }
    }
}
