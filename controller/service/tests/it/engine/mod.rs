//! The engine of a cluster: several controllers, lanes in memory, invokers behind real gRPC.

mod blocking;
mod cache;
mod cluster;
pub(crate) mod invoker;
mod limits;
mod queue;
mod telemetry;
