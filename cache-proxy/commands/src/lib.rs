//! Redis commands as the cache allows them.
//!
//! Whoever uses the cache has a scope in a Redis that is shared: every key, channel and pattern that it names gets the
//! scope's [`Prefix`], which comes off again in replies. Pure: no I/O and no clock; what comes from the network are slices of
//! a buffer, and what goes there is written into one.
//!
//! ```text
//! bytes ─> Request ─> table ─> Plan ─> rewrite ─> Redis ─> reply::strip ─> bytes
//!          (frame)    (what    (which             (what kind of reply
//!                     is it)    keys)              has keys in it)
//! ```
//!
//! What cannot be understood exactly as Redis would is refused and never forwarded: a key that is overlooked is a way out of
//! the scope. The table is held against `COMMAND` and `COMMAND GETKEYS` of a real server by a test.

mod command;
mod keys;
mod plan;
mod prefix;
mod refusal;
pub mod reply;
mod request;
mod rewrite;
pub mod table;

pub use command::{Access, Command, Creates, Emulation, Forward, Handling, Keys, Reason, Replies, Session};
pub use plan::{Asked, Plan, plan};
pub use prefix::{Owner, Prefix, Prefixes};
pub use refusal::Refusal;
pub use request::{Bounds, Malformed, Progress, Request};
pub use rewrite::rewrite;
