//! Invocations: what an action gets, who runs it, what becomes of it.

pub(crate) mod arguments;
mod dispatch;
mod dispatcher;
mod fleet;
mod limited_queue;
mod outcome;
mod records;
mod recovery;
mod service;

pub(crate) use arguments::read_payload;
pub(crate) use dispatcher::Dispatcher;
pub use fleet::Fleet;
pub(crate) use records::Found;
pub use records::{NotAdmittable, RecentBounds, RecordForm, Records};
pub(crate) use recovery::recover;
pub(crate) use service::{Invocation, Invocations};
