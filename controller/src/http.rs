//! HTTP as OpenWhisk speaks it: routes, what answers and faults look like, query parameters, bodies, the server loop.
//!
//! Nothing here knows what an action is. Two kinds of failure differ in what clients see (`fault`): one that the
//! application *terminates* with carries the CORS headers, one that routing *rejects* with does not.

pub(crate) mod accept;
pub(crate) mod body;
pub(crate) mod fault;
pub(crate) mod head;
pub(crate) mod json_fault;
mod linger;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod reply;
mod server;
mod stall;
pub(crate) mod upload;

pub use server::{Server, ServerConfig};
