//! What things of the protocol are called.

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::id::ActivationId;
pub use oxwhisk_core::record::RecordKind;

/// A partition number. Everything about one activation travels in the partitions of this number of `activations`,
/// `activations.parked` and `inflight`, and one controller owns all three: so it meets every copy of a message, and every
/// note and mark, in an order that all readers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub u32);

/// Which topic of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `activations`.
    Queue,
    /// `activations.parked`.
    Parked,
    /// A note on `inflight`: a blocking invocation that outlived its wait.
    Note,
}

/// Where a message lies in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub source: Source,
    pub lane: Lane,
    pub offset: i64,
}

/// One life of a controller process. A restarted controller is another incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(pub u64);

/// Numbers the times a controller asks all invokers what they hold; later is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Round(pub u64);

/// What the protocol needs to know of an invocation's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub id: ActivationId,
    pub lane: Lane,
    pub delivery: Delivery,
    /// 1 for the first try.
    pub attempt: u32,
}

/// A durable message that says that a record is owed. It ends (done, or withdrawn) only when the record is durable, or
/// another durable message says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Obligation {
    pub position: Position,
    /// The attempt that the message asks for.
    pub attempt: u32,
    /// It goes with the lane when that is revoked. The note of a controller's own call does not: that controller sees to
    /// it for as long as it lives.
    pub with_lane: bool,
}

/// What takes the place of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Replacement {
    /// On `activations`, with the next attempt.
    Retry { attempt: u32 },
    /// On `activations.parked`, with the same attempt.
    Park { attempt: u32 },
}
