//! What every service does alike.
//!
//! - [`telemetry`]: log lines in OpenWhisk's text shape or as JSON, with a filter that can change while running;
//! - [`panic`]: a panic becomes a log line;
//! - [`readiness`]: which parts are not up and why, and whether the service is draining;
//! - [`shutdown`]: tasks that are owned, asked to stop, given a grace period, and then ended;
//! - [`signals`]: SIGINT and SIGTERM begin a drain, a second one ends it.
//!
//! A `main` puts them together: start telemetry, build the service with a [`Shutdown`] to spawn its tasks on, wait
//! for [`StopSignals::recv`], let [`Readiness::drain`] turn new work away, then [`signals::drain_or_force`].

pub mod panic;
pub mod readiness;
pub mod shutdown;
pub mod signals;
pub mod telemetry;

pub use readiness::Readiness;
pub use shutdown::{Drained, Shutdown};
pub use signals::{StopSignal, StopSignals};
pub use telemetry::{LogConfig, LogFormat, Telemetry};
