//! What goes on the bus and what comes from it.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::BusError;

/// A message to be produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is known by: an activation id.
    pub key: String,
    /// What it belongs to: the invoking namespace. Where a topic has partitions, the messages of one route keep to two of
    /// them, the shorter one first; messages without a route are spread by their keys.
    pub route: Option<String>,
    /// 1 for the first try.
    pub attempt: u32,
    /// On a lane's `inflight`: a fact, which nobody withdraws and which is not owed (a mark). It keeps no place in the lane:
    /// a new owner reads it as far as [`crate::LaneEvent::InFlight`] goes back. Elsewhere it makes no difference.
    pub transient: bool,
    pub payload: Bytes,
}

impl Message {
    /// A first attempt without a route.
    #[must_use]
    pub fn new(key: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { key: key.into(), route: None, attempt: 1, transient: false, payload: payload.into() }
    }

    #[must_use]
    pub fn with_route(self, route: impl Into<String>) -> Self {
        Self { route: Some(route.into()), ..self }
    }

    #[must_use]
    pub fn with_attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// The same as a fact instead of a note.
    #[must_use]
    pub fn transient(self) -> Self {
        Self { transient: true, ..self }
    }

    /// Bytes that count for the bus's limit.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.len() + self.payload.len()
    }
}

/// A part of a topic that one consumer has at a time. Buses without partitions have number 0 only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

/// Names one delivery to its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    pub partition: Partition,
    /// Which assignment of the partition it was handed out in: completing what an earlier one handed out has no effect.
    pub assignment: u32,
    /// Grows in the order of the partition.
    pub offset: u64,
}

impl DeliveryId {
    /// A delivery of a bus without partitions.
    #[must_use]
    pub const fn of_offset(offset: u64) -> Self {
        Self { partition: Partition(0), assignment: 0, offset }
    }
}

/// One message, handed out.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: DeliveryId,
    /// What the producer named it: an activation id.
    pub key: String,
    /// As the producer said; 1 where a topic does not keep it (records).
    pub attempt: u32,
    /// It was in the partition when that was assigned, so it may have been handed out before, here or elsewhere.
    pub again: bool,
    pub payload: Bytes,
}

/// What a subscription has to say, in this order for each partition: `Assigned`, then its messages, with `CaughtUp` behind
/// the last of those that were there already, then perhaps `Revoked`.
#[derive(Clone, Debug)]
pub enum Event {
    /// Messages of this partition come here from now on.
    Assigned(Partition),
    /// Everything that the partition held when it was assigned has been handed out, or was completed or withdrawn before.
    CaughtUp(Partition),
    /// Messages, in order within each partition; never empty.
    Messages(Vec<Delivery>),
    /// Notes that were handed out here have been withdrawn. They count as completed.
    Withdrawn(Vec<DeliveryId>),
    /// What was handed out of this partition is somebody else's now, and comes there again unless it was completed.
    Revoked(Partition),
}

/// What a listener of a channel hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Message {
        key: String,
        payload: Bytes,
    },
    /// Messages got lost on the way here: what depends on having heard all of them has to be forgotten.
    Missed,
}

/// Tells when a message that was taken at once has the durability of its topic.
#[derive(Debug)]
#[must_use = "until it says so the message may be lost with the process, where the bus is another one"]
pub struct Receipt(Option<oneshot::Receiver<()>>);

impl Receipt {
    /// The message has it already.
    pub const fn durable() -> Self {
        Self(None)
    }

    /// The message has it when the sender is used; when that is dropped, the bus was closed before.
    pub const fn pending(told: oneshot::Receiver<()>) -> Self {
        Self(Some(told))
    }

    /// Whether the message had its durability when it was taken.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.0.is_none()
    }

    /// Waits for it, however long the bus is away.
    ///
    /// # Errors
    /// [`BusError::Closed`] when the bus was closed first; then the message may be lost.
    pub async fn wait(self) -> Result<(), BusError> {
        match self.0 {
            None => Ok(()),
            Some(told) => told.await.map_err(|_| BusError::Closed),
        }
    }
}
