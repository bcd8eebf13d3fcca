//! The bus: how work and records travel between services.
//!
//! A [`Topic`] is a durable queue. [`Bus::produce`] returns when the message has the durability that its topic
//! promises; a [`Subscription`] hands messages out in order and takes completions back in any order, so that one slow
//! message delays no other; what was handed out and not completed comes again after a restart, here or at another
//! consumer of the same topic. Notes (`inflight`) may also be withdrawn by their keys. A [`Channel`] is for telling
//! everybody who listens. A [`LaneBus`] hands the partitions of `activations`, `activations.parked` and `inflight` out
//! together, by their numbers.
//!
//! `embedded` is the standalone server's bus: SQLite for what must survive a power cut, a spool file for records,
//! which must only survive the death of the process. `memory` is for tests. The crate `oxwhisk-kafka` has the one for
//! several hosts. All pass the same `conformance` suite.

mod bus;
#[cfg(any(feature = "embedded", feature = "memory"))]
mod channels;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(any(feature = "embedded", feature = "memory"))]
mod course;
#[cfg(feature = "embedded")]
pub mod embedded;
mod lanes;
#[cfg(feature = "memory")]
pub mod memory;
mod message;
mod topic;

pub use bus::{Bus, BusError, BusStatus, Completer, Listener, Subscription};
pub use lanes::{Barrier, LaneBus, LaneControl, LaneEvent, LaneMessage, LaneSubscription, Wanted};
pub use message::{Delivery, DeliveryId, Event, Heard, Message, Partition, Receipt};
pub use topic::{Channel, Durability, Topic};
