//! A Redis that untrusted code may use.
//!
//! Actions run as root in their containers, so whatever is in one of them its code can read: the password of a Redis must not
//! come near. This proxy is between: it alone has the server's secret, and clients show it a token that is one activation's own,
//! worth that activation's scope of keys, and nothing any more when it has ended.
//!
//! ```text
//! client ─> Connection ─> Batch ─> Shared ─> Redis        most commands
//!               │         Own, blocking, Subscriptions ─> Redis        on connections of the client's own
//!               └─ Control: who may ─ tokens, scopes, accounts
//! ```
//!
//! [`Control`] issues and revokes; [`Proxy`] serves, on threads of its own. What commands may do is in
//! `oxwhisk-cache-commands`, what a token is worth in `oxwhisk-cache-tokens`, what a client is told about its connection in
//! `oxwhisk-cache-session`, connections to Redis are in `oxwhisk-cache-upstream`.

mod administration;
mod config;
mod connection;
mod control;
mod counts;
mod flushes;
mod generations;
mod house;
#[cfg(feature = "in-process")]
mod in_process;
mod info;
mod keep_alive;
#[cfg(feature = "metrics")]
mod metrics;
mod plane;
mod serve;
mod sessions;
#[cfg(feature = "settings")]
pub mod settings;
mod spin;
mod strangers;
mod tls;
mod upstreams;
mod usage;

pub use administration::{Administration, NotFlushed};
pub use config::{ProxyConfig, SweepConfig};
pub use control::{Control, NoRandom, Order};
pub use counts::{Counts, Passes};
#[cfg(feature = "in-process")]
pub use in_process::InProcess;
#[cfg(feature = "metrics")]
pub use metrics::ProxySource;
pub use serve::{Listening, Proxy};
pub use sessions::{Session, SessionLogin, Sessions};
pub use tls::{CertificateFiles, ClientTls, TlsError};
pub use upstreams::Servers;
