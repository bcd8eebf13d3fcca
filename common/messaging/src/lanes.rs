//! Lanes: the partitions of one number of `activations`, `activations.parked` and `inflight`, which belong together.
//!
//! Everything about one activation travels in one lane, and one consumer owns all of a lane: so it meets every copy of a
//! message, and every note and mark, in an order that all readers share. `docs/protocol.md` says what hangs on that.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Bus, BusError, Message, Partition, Topic};

/// A bus whose work topics have lanes.
#[async_trait]
pub trait LaneBus: Bus {
    /// The lane that a message of this route (an invoking namespace) is best appended to now: the shorter one of the two
    /// that the route has.
    ///
    /// # Errors
    /// When the bus is away, or closed.
    async fn choose_lane(&self, route: &str) -> Result<Partition, BusError>;

    /// Appends to `activations`, `activations.parked` or `inflight`, in that lane; answers the offset when the bus has it
    /// durably. The message's route is passed over. On `inflight` it is a note, unless it is [`Message::transient`].
    ///
    /// # Errors
    /// As [`Bus::produce`]; [`BusError::Unavailable`] for another topic.
    async fn append(&self, topic: Topic, lane: Partition, message: Message) -> Result<u64, BusError>;

    /// Appends the withdrawal of the notes with this key to the lane's `inflight`.
    ///
    /// # Errors
    /// As [`Bus::produce`].
    async fn withdraw_from(&self, lane: Partition, key: &str) -> Result<(), BusError>;

    /// Starts to consume lanes. A bus has one such subscription at a time; subscriptions of several processes share them.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] while there is another one.
    async fn subscribe_lanes(&self) -> Result<Box<dyn LaneSubscription>, BusError>;
}

/// Which topics a consumer has room for. `inflight` and changes of ownership are handed out always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub activations: bool,
    pub parked: bool,
}

#[async_trait]
pub trait LaneSubscription: fmt::Debug + Send + 'static {
    /// Waits for the next event; at most `max` messages are handed out at once. May be cancelled at any time: nothing is
    /// lost.
    ///
    /// # Errors
    /// [`BusError::Closed`] when the bus shuts down. After other errors it may be asked again.
    async fn next(&mut self, wanted: Wanted, max: usize) -> Result<LaneEvent, BusError>;

    /// For other tasks.
    fn control(&self) -> Arc<dyn LaneControl>;
}

/// What can be done with lanes that are owned. What concerns a lane that is not (any more) has no effect.
pub trait LaneControl: fmt::Debug + Send + Sync + 'static {
    /// A message of `activations` or `activations.parked` will not be handed out again. Written behind: after a crash it
    /// can come once more. Notes are done by being withdrawn.
    fn done(&self, topic: Topic, lane: Partition, offset: u64);

    /// Asks for [`LaneEvent::Barrier`] behind everything that the lane's `inflight` holds now. Never waits.
    fn barrier(&self, lane: Partition) -> Barrier;

    /// The bus's time, in milliseconds since the epoch, of the lane's oldest message of `activations` and
    /// `activations.parked` that is not done. `None`: there is none, or the lane is not owned. Where not everything was read
    /// that may be there, it is a time that none of it is older than.
    fn oldest(&self, lane: Partition) -> Option<i64>;
}

/// Names one barrier of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Barrier(pub u64);

/// In this order for each lane: `Assigned`; what it holds, with `CaughtUp` behind what was there already in all three
/// topics; perhaps `Revoked`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneEvent {
    Assigned(Partition),
    /// Messages that are not done, each topic in the order of its offsets; never empty.
    Messages {
        topic: Topic,
        messages: Vec<LaneMessage>,
    },
    /// Entries of `inflight`, in the order of their offsets; never empty. From the lane's oldest note that was not
    /// withdrawn on, and at least from the time of its oldest message that is not done.
    InFlight(Vec<LaneMessage>),
    CaughtUp(Partition),
    /// Everything that the lane's `inflight` held when the barrier was asked for has been handed out, or the lane was
    /// revoked meanwhile. Every barrier comes once.
    Barrier(Barrier),
    /// What was handed out of this lane is somebody else's now.
    Revoked(Partition),
}

/// One message of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneMessage {
    pub lane: Partition,
    /// As [`LaneBus::append`] answered it.
    pub offset: u64,
    pub key: String,
    pub attempt: u32,
    /// It was there when the lane was assigned, so it may have been handed out before, here or elsewhere.
    pub again: bool,
    /// The bus's time of it, in milliseconds since the epoch.
    pub at: i64,
    /// `None` on `inflight` withdraws the notes with this key.
    pub payload: Option<Bytes>,
}
