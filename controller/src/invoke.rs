//! Invocations: what an action gets, who runs it, what becomes of it.

pub(crate) mod arguments;
mod dispatch;
mod dispatcher;
mod fleet;
mod limited_queue;
mod outcome;
mod recent;
mod records;
mod recovery;
mod service;

pub(crate) use arguments::read_payload;
pub(crate) use dispatcher::Dispatcher;
pub use fleet::Fleet;
pub use recent::{RecordsElsewhere, RecordsHere};
pub use records::Records;
pub(crate) use recovery::recover;
pub(crate) use service::{Invocation, Invocations};
