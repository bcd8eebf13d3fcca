//! Keeping the caches of several controllers true.
//!
//! What was changed through a controller is told on the channel `cacheInvalidation`, in OpenWhisk's JSON and with one
//! member more for what OpenWhisk does not tell. Telling is written behind, tried again until it succeeds, and bounded:
//! with too much to tell, others are told to forget everything. Who cannot hear believes copies for a moment only, and
//! compares them with the store after that.

mod announcements;
mod listening;
mod message;
mod pending;
mod remote;

pub use announcements::Announcements;
pub use listening::Listening;
pub use remote::SharedCaches;
