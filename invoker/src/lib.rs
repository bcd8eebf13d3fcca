//! The container pool of one node.
//!
//! An [`Invoker`] runs activations in containers that a [`ContainerFactory`](oxwhisk_container::ContainerFactory)
//! makes. It decides which containers there are, puts code into them, sends them their runs, collects their logs and
//! hands the records on. It holds no store and no bus.
//!
//! Decisions are pure: `pool` (which container, who waits, what is evicted), `response` (what an answer means),
//! `record`, the parsers in `client` and `logs`. Around them is a thin shell: `shell` performs what the pool decides,
//! `run` is the life of one activation, `proxy` is a container in use.
//!
//! **The warm path** is one lock to get a container, one write, the reads of the answer and the logs, one record, one
//! lock to give the container back. It spawns nothing, crosses no channel, and happens in the task that dispatches.

mod client;
pub mod config;
mod interval;
mod invoker;
pub mod keep_alive;
mod logs;
pub mod metrics;
mod pool;
mod proxy;
mod record;
mod response;
mod run;
mod shell;

pub use config::{CacheAccess, InvokerConfig, InvokerTelemetry};
pub use invoker::Invoker;
pub use logs::RECORDED_PER_TEXT;
