//! One client of a cache, as its connection goes: who it says it is, in which protocol it speaks, and all that Redis would
//! answer about the connection, which here nobody but the client has.
//!
//! Pure. What takes more than the connection, a token's worth or the size of a scope, is [`Step`]s for whoever drives it.

mod client;
mod hello;
mod reply;
mod transaction;

pub use client::{Client, Step};
pub use reply::{Protocol, Writer};
pub use transaction::{Sent, Transaction, about_transactions};
