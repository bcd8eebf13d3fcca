//! What the pool says to the world around it.

use std::sync::Arc;
use std::time::Duration;

use super::entry::ContainerId;
use super::key::Shape;

/// How an activation came to its container; the labels of the `containerStart` metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Start {
    Warmed,
    Prewarmed,
    Cold,
    /// Cold, after others were evicted.
    Recreated,
    RecreatedPrewarm,
}

impl Start {
    /// OpenWhisk's word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Warmed => "warmed",
            Self::Prewarmed => "prewarmed",
            Self::Cold => "cold",
            Self::Recreated => "recreated",
            Self::RecreatedPrewarm => "recreatedPrewarm",
        }
    }
}

/// A place in a container. It must be given back through [`super::Pool::release`].
#[derive(Debug)]
pub(crate) struct Lease<H> {
    pub(crate) container: ContainerId,
    pub(crate) handle: H,
    pub(crate) start: Start,
    /// There is no code in it yet: initialise it, then call [`super::Pool::initialised`].
    pub(crate) uninitialised: bool,
    /// It was suspended: resume it first.
    pub(crate) suspended: bool,
    /// From the order to the running process.
    pub(crate) startup: Duration,
}

/// Why a request did not get a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The invoker is too small for it.
    TooLarge {
        total: u64,
    },
    QueueFull {
        max: usize,
    },
    NamespaceQueueFull {
        max: usize,
    },
    WaitOver {
        limit: Duration,
    },
    /// Whoever gives out the pool's room gives it none.
    NotGiven,
    /// The pool is being shut down.
    Closed,
}

/// What the world has to do.
#[derive(Debug)]
pub(crate) enum Effect<H, W> {
    /// Tell the one who waits.
    Grant {
        waiter: W,
        lease: Lease<H>,
    },
    Refuse {
        waiter: W,
        memory: u64,
        refusal: Refusal,
    },
    /// Make a container, then call [`super::Pool::created`] or [`super::Pool::create_failed`].
    Create {
        container: ContainerId,
        shape: Arc<Shape>,
        /// As a stem cell, not for somebody who waits.
        prewarm: bool,
    },
    /// Suspend it if [`super::Pool::may_suspend`] still says so when it is done.
    Suspend {
        container: ContainerId,
        handle: H,
    },
    /// End it, then call [`super::Pool::removed`].
    Destroy {
        container: ContainerId,
        handle: H,
    },
    /// [`super::Pool::next_deadline`] is earlier than before.
    Rearm,
}

pub(crate) type Effects<H, W> = Vec<Effect<H, W>>;

/// What becomes of a container that an activation is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    Keep,
    Destroy,
    /// It was not used: the activation could not even begin.
    Unused,
}

/// Megabytes by what they are used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    /// Taken by containers in any state.
    pub(crate) used: u64,
    /// The part of `used` that can be evicted at once.
    pub(crate) idle: u64,
    /// The part of `used` that is about to be free.
    pub(crate) removing: u64,
}
