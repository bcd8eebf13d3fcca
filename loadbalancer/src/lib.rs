//! Which invoker runs an activation: pure decisions over a view of the fleet.
//!
//! A [`Placement`] policy orders the invokers that should be asked; whoever dispatches asks them in that order, since an
//! invoker alone knows the truth about its capacity. [`HashPlacement`] is OpenWhisk's: a hash of namespace and action
//! gives a home invoker, so that an action's calls meet the same warm containers, and a step coprime to the number of
//! invokers gives where to look next.

mod hash;

use std::fmt;

use oxwhisk_core::id::InvokerId;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};

pub use hash::HashPlacement;

/// How many invokers are asked before an activation waits for room.
pub const PROBES: usize = 3;

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct PlacementRequest<'a> {
    /// The invoking namespace.
    pub namespace: &'a EntityName,
    pub action: &'a FullyQualifiedName,
    /// Megabytes of its container.
    pub memory: u64,
}

/// An invoker as the balancer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvokerView {
    pub id: InvokerId,
    /// It answers, and its health checks pass.
    pub usable: bool,
    /// Megabytes that it could give to a new container, idle ones evicted, as far as is known.
    pub free_memory: u64,
}

/// Decides which invokers to ask, best first.
pub trait Placement: fmt::Debug + Send + Sync + 'static {
    /// Indexes into `fleet`, at most [`PROBES`], each once, only usable invokers. Empty when none is usable.
    fn place(&self, fleet: &[InvokerView], request: &PlacementRequest<'_>) -> Vec<usize>;
}
