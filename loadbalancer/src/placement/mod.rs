//! Which invokers are asked for an activation, best first: policies over a view of one pool.

mod candidates;
mod choice;
mod hash;
mod least_loaded;
mod pools;
mod steps;

use std::fmt;

use oxwhisk_core::id::InvokerId;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_invoker_api::offers::WorkKey;

pub use candidates::Candidates;
pub use choice::{PolicyName, TwoChoices, UnknownPolicy};
pub use hash::HashPlacement;
pub use least_loaded::LeastLoaded;
pub use pools::PoolFractions;
pub use steps::StepSizes;

use crate::fleet::Kinds;

/// How many invokers are asked before an activation waits for room.
pub const PROBES: usize = 3;

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct PlacementRequest<'a> {
    /// The invoking namespace.
    pub namespace: &'a EntityName,
    pub action: &'a FullyQualifiedName,
    /// Kind of the action's runtime; `None` does not restrict.
    pub kind: Option<&'a str>,
    /// Megabytes of its container.
    pub memory: u64,
    /// Invokers that seem to have a free slot in a container that runs this action: no memory is needed there.
    pub open: &'a [InvokerId],
    /// Chance, for policies that want some: different for each activation.
    pub salt: u64,
}

impl<'a> PlacementRequest<'a> {
    /// A request for a container of its own.
    #[must_use]
    pub fn new(namespace: &'a EntityName, action: &'a FullyQualifiedName, memory: u64) -> Self {
        Self { namespace, action, kind: None, memory, open: &[], salt: 0 }
    }

    #[must_use]
    pub fn of(key: &'a WorkKey, open: &'a [InvokerId], salt: u64) -> Self {
        Self { kind: Some(&key.kind), open, salt, ..Self::new(&key.namespace, &key.action, key.memory) }
    }
}

/// An invoker as the balancer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokerView {
    pub id: InvokerId,
    /// It answers, its health checks pass and nobody has taken it out of service.
    pub usable: bool,
    /// Megabytes that it could give to a new container, idle ones evicted, as far as is known.
    pub free_memory: u64,
    pub kinds: Kinds,
}

impl InvokerView {
    /// It may be asked, whether or not it has room.
    #[must_use]
    pub fn serves(&self, request: &PlacementRequest<'_>) -> bool {
        self.usable && request.kind.is_none_or(|kind| self.kinds.contain(kind))
    }

    /// It seems to have room.
    #[must_use]
    pub fn has_room(&self, request: &PlacementRequest<'_>) -> bool {
        self.free_memory >= request.memory || request.open.contains(&self.id)
    }
}

/// Invokers among which one kind of work is placed, in the order of their ids.
#[derive(Clone, Copy, Debug)]
pub struct PoolView<'a> {
    pub invokers: &'a [InvokerView],
    /// For as many invokers.
    pub steps: &'a StepSizes,
}

/// Decides which invokers to ask, best first.
pub trait Placement: fmt::Debug + Send + Sync + 'static {
    /// Indexes into the pool, those that seem to have room first. Empty when none serves the request.
    fn place(&self, pool: PoolView<'_>, request: &PlacementRequest<'_>) -> Candidates;
}

#[cfg(test)]
mod tests;
