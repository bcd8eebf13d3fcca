//! What goes into a node and what comes out.

use std::time::{Duration, Instant};

use crate::{Account, Member, Message, Violation};

#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long an owner may decide after a member let it. Longer: fewer messages. Shorter: a dead owner's accounts are
    /// decided for again sooner.
    pub lease: Duration,
    /// How long a request waits for an owner that can decide.
    pub patience: Duration,
    /// Requests of one account that may wait; more are refused as unavailable.
    pub max_waiting: usize,
    /// An account's spare slots are given back after this long without a request.
    pub idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            patience: Duration::from_secs(4),
            max_waiting: 4096,
            idle: Duration::from_secs(5),
        }
    }
}

/// The time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the epoch. Only where an account is owned does it matter.
    pub wall: i64,
    pub steady: Instant,
}

/// One admitted request. It is to be given back with [`Node::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Slot {
    pub account: Account,
    /// The owner's minute that it counts in; `None` if it was taken without asking.
    pub minute: Option<i64>,
    pub(super) paused: bool,
}

impl Slot {
    /// One that was taken where there is no cluster to ask.
    pub const fn new(account: Account, minute: Option<i64>) -> Self {
        Self { account, minute, paused: false }
    }
}

/// What the world has to do. `W` is how its owner reaches one who waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect<W> {
    Send {
        to: Member,
        message: Message,
    },
    Admit {
        waiter: W,
        slot: Slot,
    },
    /// 429 with the violation's text.
    Refuse {
        waiter: W,
        violation: Violation,
    },
    /// 503: nobody could decide in time.
    Unavailable {
        waiter: W,
    },
}
