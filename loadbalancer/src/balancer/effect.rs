//! What the balancer says to the world.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::{OfferId, WantId, WorkKey};

use crate::fleet::FleetEffect;

/// Something that waits for an invoker. `W` is how its owner is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work<W> {
    pub key: Arc<WorkKey>,
    /// When its wait is over.
    pub deadline: Instant,
    pub payload: W,
}

/// What the world has to do. Effects on one stream are to be sent in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<W> {
    /// Dispatch it there, naming the offer if there is one. It counts as begun. If the invoker has no room after all,
    /// it comes back by [`super::Balancer::returned`].
    Serve {
        work: Work<W>,
        invoker: InvokerId,
        offer: Option<OfferId>,
    },
    Refuse {
        work: Work<W>,
        refusal: Refusal,
    },
    /// Tell the invoker how much of this waits here.
    Want {
        invoker: InvokerId,
        want: WantId,
        key: Arc<WorkKey>,
        count: u32,
    },
    Decline {
        invoker: InvokerId,
        offer: OfferId,
    },
    Fleet(FleetEffect),
}

/// Why work does not run now. The text is what clients see; OpenWhisk's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No invoker that could run it is in service.
    #[error("No invokers available")]
    NoInvokers,
    /// The whole line is full.
    #[error("System is overloaded, try again later.")]
    LineFull { max: usize },
    /// The line holds as much of this namespace as it may.
    #[error("Too many concurrent requests in flight (count: {count}, allowed: {max}).")]
    NamespaceLineFull { count: usize, max: usize },
    /// No room came free in time.
    #[error("System is overloaded, try again later.")]
    WaitOver { limit: Duration },
    /// This controller is being shut down.
    #[error("The server is currently unavailable (because it is overloaded or down for maintenance).")]
    Closed,
}

impl Refusal {
    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NamespaceLineFull { .. } => 429,
            Self::NoInvokers | Self::LineFull { .. } | Self::WaitOver { .. } | Self::Closed => 503,
        }
    }
}
