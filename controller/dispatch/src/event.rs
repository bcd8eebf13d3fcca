//! What happens to a controller's dispatcher.

use oxwhisk_core::id::{ActivationId, InvokerId};

use crate::names::{Incarnation, Lane, Message, Position, Replacement};
use crate::wire::Said;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client's non-blocking invocation.
    Submit(Message),
    /// Its message is on `activations`.
    Submitted(ActivationId),
    /// A client's blocking invocation.
    Call(Message),
    /// The client has waited as long as it wanted.
    WaitOver(ActivationId),
    /// The client has gone without an answer.
    CallerGone(ActivationId),
    /// The note of this controller's call is on `inflight`.
    NoteDurable {
        id: ActivationId,
        position: Position,
    },
    /// It is not: the client is told so, and nothing is owed to it.
    NoteFailed(ActivationId),

    /// The lane is this controller's from now on.
    Assigned(Lane),
    Revoked(Lane),
    /// A message of `activations` or `activations.parked` that is not marked as done.
    Polled {
        message: Message,
        position: Position,
        /// The store, or the recent results, have a record of it.
        recorded: bool,
        /// [`crate::is_surplus`] says so of its namespace.
        surplus: bool,
    },
    /// A note, read from `inflight`.
    NoteRead {
        message: Message,
        position: Position,
        by: Incarnation,
        recorded: bool,
    },
    /// A note's withdrawal, read from `inflight`.
    NoteWithdrawn(ActivationId),
    /// A mark, read from `inflight`; this controller's own are read back too. `at` is Kafka's timestamp, in milliseconds.
    MarkRead {
        lane: Lane,
        id: ActivationId,
        by: Incarnation,
        at: i64,
    },
    /// Another controller process has ended.
    ControllerGone(Incarnation),

    /// The answer to [`crate::Effect::CheckRecord`].
    Checked {
        id: ActivationId,
        recorded: bool,
    },
    /// The turn of one that was given out with [`crate::Effect::Enqueue`] has come.
    Turn(ActivationId),
    /// The balancer chose an invoker for one that was given out with [`crate::Effect::Place`].
    Placed {
        id: ActivationId,
        invoker: InvokerId,
    },

    Replaced {
        id: ActivationId,
        by: Replacement,
    },
    /// The dead letter is durable.
    Buried(ActivationId),
    /// The record that this controller wrote is durable on `completed`.
    Recorded(ActivationId),

    /// An invoker that this controller is to ask before it dispatches anything: its heartbeat was seen.
    InvokerKnown(InvokerId),
    /// Its stream has ended. It may come back.
    StreamBroken(InvokerId),
    /// It is dead (refuses to reconnect) or Offline (silent for too long). It may come back all the same.
    InvokerGone(InvokerId),
    Said {
        invoker: InvokerId,
        said: Said,
    },

    /// This controller is being shut down: nothing more is begun, and what is queued stays on Kafka.
    Drain,
}
