//! Invocations: what an action gets, who runs it, what becomes of it.
//!
//! [`Admissions`] decide what may run and with what; an [`Engine`] runs it. [`LocalEngine`] is the one of one process.

mod admissions;
mod admitted;
pub(crate) mod arguments;
mod engine;
mod healthy_share;
mod local;
mod outcome;
mod recent;
mod records;
mod service;

pub(crate) use admissions::Invocation;
pub use admissions::{Admissions, NotOpened, Readmission};
pub use admitted::{Admitted, record_instead};
pub(crate) use arguments::read_payload;
pub use engine::{Called, Engine, InvokerState, Refused};
pub use healthy_share::{HealthyShare, InvokerCount};
pub use local::{Fleet, LocalEngine};
pub use recent::{RecordsElsewhere, RecordsHere};
pub(crate) use records::Found;
pub use records::{NotAdmittable, RecentBounds, RecordForm, Records};
pub(crate) use service::Invocations;
