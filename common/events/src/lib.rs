//! User events: what OpenWhisk tells its monitoring about activations and throttles.
//!
//! [`UserEvents`] takes them in the middle of the work: never waits, and drops what nobody takes in time. The
//! [`Publisher`] behind it makes OpenWhisk's JSON ([`oxwhisk_core::event`]), puts that on the bus, and counts it by
//! action ([`ActionMetrics`]) under the names that OpenWhisk's `user-events` service gives to Prometheus, so that
//! dashboards made for it need no such service.

mod actions;
mod bus_state;
mod publisher;
mod series;
#[cfg(feature = "settings")]
pub mod settings;
mod user_events;

pub use actions::ActionMetrics;
pub use bus_state::BusState;
pub use publisher::{Outlets, Publisher};
pub use user_events::{Counts, UserEvents};
