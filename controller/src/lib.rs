//! The controller: the public REST API, authentication, throttles, the dispatcher of the durable queue and the writer
//! of records.
//!
//! - `http`: what requests and answers look like; [`Server`] is the accept loop;
//! - `auth`, `throttle`: who may do how much; `telemetry`: who is told of it;
//! - `api`: one module a resource, thin: each reads a request and asks the parts below;
//! - `entities`: actions and their code;
//! - `invoke`: running them, now or from the queue.
//!
//! [`Controller::start`] puts it together from stores, a bus and invokers; it binds nothing itself.

mod api;
mod auth;
mod cache;
mod clock;
mod config;
mod controller;
mod entities;
mod http;
mod invoke;
mod sharing;
mod telemetry;
mod throttle;

pub use config::{ApiInfo, ControllerConfig, FeatureFlags, Storing, TransactionHeader};
pub use controller::{Backends, Controller, StartError};
pub use entities::{EncryptionScheme, KeyError, ParameterCiphers, SchemeError, StoredCode, WantedCode};
pub use http::{Server, ServerConfig};
pub use invoke::{
    Admissions, Admitted, Called, Engine, Fleet, HealthyShare, InvokerCount, InvokerState, LocalEngine,
    NotAdmittable, NotOpened, Readmission, RecentBounds, RecordForm, Records, RecordsElsewhere, RecordsHere,
    Refused, record_instead,
};
pub use sharing::{Announcer, Sharing};
pub use telemetry::{Dispatching, Telemetry};
pub use throttle::{Admission, InFlight, LocalThrottles, NotAdmitted, Throttles};
