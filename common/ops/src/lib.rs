//! What operators and their probes ask a service over HTTP, on a port of its own.
//!
//! | request | answer |
//! |---|---|
//! | `GET /live` | 200 while the process serves at all |
//! | `GET /ping` | the same, as OpenWhisk's invokers have it |
//! | `GET /ready` | 200, or 503 with the reasons |
//! | `GET /metrics` | Prometheus metrics |
//! | `GET /loglevel`, `PUT /loglevel` | the filter of the log; for loopback and configured addresses only |
//!
//! `answer` decides, [`OpsServer`] is the shell that serves it.

mod answer;
mod server;
#[cfg(feature = "settings")]
pub mod settings;

pub use answer::Operated;
pub use server::{OpsOptions, OpsServer};
