//! The bus: how work and records travel between services.
//!
//! Every topic is a durable queue. [`Bus::produce`] returns when the message has the durability that its topic
//! promises; a [`Subscription`] hands messages out in order and takes completions back in any order, so that one slow
//! message delays no other; what was handed out and not completed comes again after a restart.
//!
//! `embedded` is the standalone server's bus: SQLite for what must survive a power cut, a spool file for records,
//! which must only survive the death of the process. `memory` is for tests. Both pass the same `conformance` suite.

mod bus;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "memory")]
pub mod memory;
mod topic;

pub use bus::{Bus, BusError, Completer, Delivery, DeliveryId, Subscription};
pub use topic::{Durability, Topic};
