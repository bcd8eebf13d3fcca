//! A controller among other services: the binary `controller`, and what it has that the standalone server has not.
//!
//! - [`cli`] and [`config`] read what is wanted; [`app`] puts the controller together on CouchDB, Kafka and gRPC;
//! - [`ClusterEngine`] runs activations on the invokers of a cluster;
//! - with other controllers it decides about limits, and knows their recent records: [`peers`];
//! - [`caches`] keeps the caches of several controllers true;
//! - [`directory`] and [`dead_letters`] are an administrator's view of the cluster;
//! - invokers run strangers' code, so nothing is given to them, or taken from them, but against a ticket: [`CodeService`]
//!   serves code, [`TicketedRecords`] admits records, both for the identity that the ticket names; [`key_file`] makes
//!   keys for tickets.

pub mod app;
pub mod caches;
pub mod cli;
mod code;
pub mod config;
pub mod dead_letters;
pub mod directory;
mod engine;
pub mod key_file;
pub mod peers;
mod records;

pub use code::CodeService;
pub use engine::{ClusterEngine, EngineConfig, EngineParts, InvokerDetails};
pub use records::{NotAdmitted, TicketedRecords};
