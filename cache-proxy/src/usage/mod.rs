//! What namespaces take of a server: counted, and held to what they may.
//!
//! The proxy that sweeps a server walks over all keys again and again ([`walk`]), on a connection of its own and at a pace that
//! leaves the server to its clients ([`pace`]). Every key is measured: that costs about as much as looking for its expiry,
//! which has to be done for each anyway, and a sample of many small keys would not have the few huge ones. What is found
//! ([`count`]) becomes what accounts are held to. Who has more than it may loses its own oldest keys ([`evict`]), and so does
//! who has more than its share of a server that is nearly full ([`shares`]).
//!
//! ```text
//! Sweeper ─> Lease: does this proxy sweep?
//!    │  no ─> Board: what has the one that does found?
//!    └ yes ─> Walk over all keys ─> Board, accounts ─> plan ─> Walk over the keys of who has too much
//!    alarm: somebody may have too much ─> Walk over its keys, also in the middle of a pass
//! ```

mod alarm;
mod board;
mod count;
mod evict;
mod lease;
mod link;
mod pace;
mod shares;
mod sweep;
mod walk;

pub(crate) use alarm::Alarm;
pub(crate) use board::flushed;
pub(crate) use sweep::keep;
