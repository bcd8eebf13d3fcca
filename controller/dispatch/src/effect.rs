//! What a dispatcher wants done.

use oxwhisk_core::id::{ActivationId, InvokerId};

use crate::names::{Lane, Message, Position, RecordKind, Replacement};
use crate::wire::Order;

/// Produces are tried again, with pauses, until they succeed, except [`Effect::ProduceNote`]; then the event named with
/// each is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Append to `activations`, then [`crate::Event::Submitted`]. If that fails the client is told, and nothing is owed.
    Produce(Message),
    /// Answer 202.
    Accept(ActivationId),
    /// Answer with the activation's result.
    Answer(ActivationId),
    /// Answer that the platform failed it.
    Fail(ActivationId),
    /// Append a note to `inflight`, then [`crate::Event::NoteDurable`] or [`crate::Event::NoteFailed`].
    ProduceNote(Message),
    /// Append a mark to `inflight`, and read that lane's `inflight` on to it: [`crate::Event::MarkRead`].
    MarkStarted(Message),

    /// Read that lane's `inflight` on to its present end, with the events that this gives, then look the record up in the
    /// store and the recent results, then [`crate::Event::Checked`]. While the store is away the answer is no: running
    /// one twice is better than losing it.
    CheckRecord(Message),
    /// Queue it fairly among namespaces, then [`crate::Event::Turn`].
    Enqueue(Message),
    /// Choose an invoker with room, then [`crate::Event::Placed`].
    Place(Message),
    /// Write to the invoker's stream. Without a stream it is lost, like what was in one that broke.
    Send { invoker: InvokerId, order: Order },

    /// Append the replacement, then [`crate::Event::Replaced`].
    Replace { message: Message, by: Replacement },
    /// Append to `dead-letters`, then [`crate::Event::Buried`].
    ProduceDeadLetter(Message),
    /// Append a record to `completed`, then [`crate::Event::Recorded`].
    WriteRecord { id: ActivationId, kind: RecordKind },
    /// The offset is done: it goes into the next commit.
    MarkDone(Position),
    /// Nothing is owed for it any more, here or by a copy of it.
    Settled(ActivationId),
    /// Append a tombstone for the note to `inflight`.
    Withdraw { id: ActivationId, lane: Lane },
}
