//! Connections to the Redis behind a cache.
//!
//! A [`Shared`] connection carries the requests of many: each hands over a batch of whole requests and gets as many replies as
//! it has asked for, in order. Nothing that changes the state of a connection may go over it. It comes back by itself when
//! it breaks; what was on it then fails, since whether it was done is not known.
//!
//! The secret is written to the server and nowhere else: no error, log or `Debug` has it, and it is zeroed when it is
//! dropped.

mod address;
mod config;
mod login;
mod shared;
mod stream;

pub use address::{Address, NoAddress};
pub use config::{Login, Protocol, UpstreamConfig};
pub use shared::{Replies, Shared, UpstreamError};
