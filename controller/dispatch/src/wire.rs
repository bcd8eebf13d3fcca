//! What a controller and an invoker say to each other on their stream, as far as the protocol goes.

use oxwhisk_core::id::ActivationId;

use crate::names::{Message, Round};

/// From a controller to an invoker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Run it; or, if you hold it already, tell me about that one.
    Dispatch(Message),
    /// Tell me about it if you hold it, but do not run it.
    Attach(ActivationId),
    /// What do you hold?
    Ask(Round),
    /// Its record is durable: it may be forgotten.
    Acknowledge(ActivationId),
}

/// From an invoker to a controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// The first thing on every stream. `resumed`: nothing was forgotten of what this controller incarnation ever sent, so
    /// what is not in `held` and was not acknowledged never arrived.
    Welcome {
        resumed: bool,
        held: Vec<Held>,
    },
    /// The answer to [`Order::Ask`].
    Holding {
        round: Round,
        held: Vec<Held>,
    },
    /// It was not run: no room, or draining. It may go elsewhere, whatever its delivery.
    Refused {
        id: ActivationId,
        why: Refusal,
    },
    /// The answer to [`Order::Attach`] for what is not held (any more).
    Unknown(ActivationId),
    /// Said just before `/run`.
    Started(ActivationId),
    Ended {
        id: ActivationId,
        ended: Ended,
    },
    RecordDurable(ActivationId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// For a container of that size, within the wait for it.
    NoRoom,
    /// What was sent cannot be understood.
    Malformed,
    Draining,
    /// As many activations are held as may be: results that nobody acknowledged count.
    Full,
}

/// One activation at an invoker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub id: ActivationId,
    pub phase: Phase,
    /// The controller that is told is one of those who wait for it.
    pub yours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Waiting,
    Started,
    Ended(Ended),
}

impl Phase {
    /// Whether a shutdown of the invoker ended it.
    #[must_use]
    pub const fn is_cut_off(self) -> bool {
        matches!(self, Self::Ended(Ended { cut_off: true, .. }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ended {
    /// The invoker was shut down under it. It keeps no record of that.
    pub cut_off: bool,
    pub record: RecordState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordState {
    /// On its way to `completed`.
    Pending,
    Durable,
    /// None is kept of an activation that ended so.
    Unwanted,
}

impl RecordState {
    /// Whether nothing has to happen any more for the record's sake.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Durable | Self::Unwanted)
    }
}
