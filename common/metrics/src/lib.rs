//! Metrics of one process, for Prometheus.
//!
//! What happens on the way of a call counts in atomics that its own crate holds ([`Counter`], [`Histogram`], or any
//! number it has anyway). A [`Source`] reads them when somebody scrapes, and only then are names, labels and texts
//! made. [`Metrics`] is the list of a process's sources.

mod count;
mod histogram;
mod page;
mod registry;

pub use count::{Counter, Gauge, Held};
pub use histogram::{Histogram, SECONDS};
pub use page::{Label, Page};
pub use registry::{CONTENT_TYPE, Metrics, Source};
