//! What a controller among other services has that the standalone server has not.
//!
//! Invokers run strangers' code, so nothing is given to them, or taken from them, but against a ticket: [`CodeService`]
//! serves code, [`TicketedRecords`] admits records, both for the identity that the ticket names. With other controllers it
//! decides about limits, and knows their recent records: [`peers`].

mod code;
mod engine;
pub mod peers;
mod records;

pub use code::CodeService;
pub use engine::{ClusterEngine, EngineConfig, EngineParts, InvokerDetails};
pub use records::{NotAdmitted, TicketedRecords};
