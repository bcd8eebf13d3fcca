//! How much a namespace may do: requests a minute and activations at once, held for the whole cluster.
//!
//! Pure: no I/O, no clock. A [`Node`] is one controller's part; it takes requests, messages of other controllers and the
//! time, and answers with [`Effect`]s. Each account (a namespace's invocations, or its trigger fires) has an *owner*, the
//! controller that rendezvous hashing gives among those that live ([`View::owner`]), and every controller is a *client* of
//! all owners, of itself too.
//!
//! - **Limits below [`SMALL`]** are decided by the owner, request by request: one hop if the request landed elsewhere.
//! - **Larger ones** are leased: the owner hands out budgets of the minute and slots, at most 5 % of the limit of which are
//!   unused at any time, and a client decides by itself while it has some.
//! - **Minutes** are wall-clock minutes of the *owner*. A budget ends with the owner's minute: the owner says how long that
//!   is, and the client counts from when it asked, so no clock but the owner's matters.
//! - **Slots** are held from acceptance to the end. A caller that is blocked on its own callee gives its slot back
//!   ([`Node::pause`]) and takes it again without being asked ([`Node::resume`]).
//!
//! # What is guaranteed
//!
//! 1. While no controller dies, is cut off or wrongly taken for dead: never more than the limit is admitted, whatever the
//!    delays and the clocks; small limits exactly, larger ones within 5 %. That holds through joins and for slots through
//!    orderly departures: the new owner decides nothing until every member has told it what it holds, and requests wait for
//!    that. What a member had admitted in this minute goes with it when it leaves.
//! 2. Two controllers never decide for the same account at once, also when they see different members, unless the cluster
//!    has split into parts of which each takes the other for dead. An owner decides only while every member of its view has
//!    granted it that within [`Config::lease`]; a member that has granted it to somebody outside of its new view says so,
//!    and that time is waited for.
//! 3. When a controller dies, what it had running and had been admitted by it in this minute is forgotten: others run its
//!    activations again and count them then. Accounts that it owned are not decided for until its lease is over; requests
//!    wait for [`Config::patience`] and are then [`Effect::Unavailable`].
//!
//! Messages between two nodes arrive in the order they were sent, or not at all: then [`Node::session_lost`] on both sides.

mod authority;
mod budget;
mod ledger;
mod limits;
mod members;
mod message;
mod node;

pub use limits::{Limits, Usage, Violation};
pub use members::{Member, View, ViewId};
pub use message::{AccountState, Decision, Message};
pub use node::{Config, Effect, Node, Now, Slot};

use std::sync::Arc;

/// Limits below this are decided one request at a time.
pub const SMALL: u64 = 64;

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Invocation,
    Fire,
}

/// One namespace's invocations or fires.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The namespace's uuid.
    pub namespace: Arc<str>,
    pub kind: Kind,
}
