//! Which invoker runs an activation: pure decisions over a view of the fleet. No I/O, no task, no clock: events and the
//! time come in as values, what the world has to do comes back as effects.
//!
//! - [`placement`]: policies that order the invokers to ask. [`HashPlacement`] is OpenWhisk's: a hash of namespace and
//!   action gives a home invoker, so that an action's calls meet the same warm containers, and a step coprime to the
//!   number of invokers gives where to look next.
//! - [`fleet`]: which invokers there are and how they are: OpenWhisk's health states, test actions, drain and disable.
//! - [`balancer`]: what is asked of whom. An invoker alone knows its capacity: a few that seem to have room are asked,
//!   then the work waits in a short line while those invokers know that it is wanted, and their offers are given to whoever's
//!   turn it is. The invoker's side is [`oxwhisk_invoker_api::offers`].
//! - [`FairQueue`]: the queue under that line and under others: one namespace's flood delays only itself.

pub mod balancer;
mod fair_queue;
pub mod fleet;
mod limited_queue;
pub mod placement;

pub use fair_queue::FairQueue;
pub use limited_queue::LimitedQueue;
pub use placement::{
    Candidates, HashPlacement, InvokerView, PROBES, Placement, PlacementRequest, PolicyName, PoolFractions,
    PoolView, StepSizes,
};
