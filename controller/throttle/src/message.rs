//! What controllers say to each other about limits.

use std::time::Duration;

use crate::{Account, Limits, Member, ViewId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// An owner asks to be let decide, again and again.
    Claim {
        view: ViewId,
        sequence: u64,
        /// It does not know what this member holds.
        sync: bool,
    },
    /// A member lets it, for the length of the lease.
    Grant {
        view: ViewId,
        sequence: u64,
        /// To whom outside of this view it has granted something that is not over, and how long that lasts.
        promised: Vec<(Member, Duration)>,
        /// All it holds of what the claimant owns, if that was asked for.
        accounts: Option<Vec<AccountState>>,
    },
    /// A client wants to admit something.
    Ask {
        view: ViewId,
        request: u64,
        account: Account,
        limits: Limits,
        /// Requests that wait for a budget of this minute, and how much more would be welcome.
        requests: u64,
        extra_requests: u64,
        /// Requests that have a budget already and only lack a slot.
        paid: u64,
        /// The same for slots.
        slots: u64,
        extra_slots: u64,
    },
    Reply {
        request: u64,
        account: Account,
        decision: Decision,
    },
    /// A client has given slots back, or taken some without asking.
    Slots {
        account: Account,
        change: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may not decide now; ask again.
    NotNow,
    Decided {
        /// The owner's minute.
        minute: i64,
        /// From the ask on, until the budget ends.
        valid_for: Duration,
        requests: u64,
        /// All requests of this minute, refused ones included.
        request_count: u64,
        slots: u64,
        /// Slots that are taken in the cluster.
        slot_count: u64,
    },
}

/// What one client holds of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    pub account: Account,
    /// The owner's minute in which it last got a budget, and how much it got in it.
    pub minute: i64,
    pub requests: u64,
    pub slots: u64,
}
