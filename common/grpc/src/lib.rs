//! gRPC between the services: what every server and every channel has alike.
//!
//! - [`identity`]: who a peer is: a role and a name, as its certificate says;
//! - [`tls`]: mutual TLS from files that may be replaced while they are used;
//! - [`server`]: listeners, connections with limits, who may call which service, health, reflection;
//! - [`channel`]: connections that come back by themselves, to a peer of a known identity; [`Dialer`] keeps one to each
//!   address that peers name;
//! - [`version`]: which protocol versions both sides speak;
//! - [`address`]: where to listen and to connect, and where plain text is admitted;
//! - `settings`: all that from a configuration; `dev_certificates`: certificates for development and tests.

pub mod address;
pub mod channel;
#[cfg(feature = "dev-certificates")]
pub mod dev_certificates;
mod dialer;
pub mod identity;
mod io;
pub mod peer;
pub mod server;
#[cfg(feature = "settings")]
pub mod settings;
pub mod tls;
pub mod version;

pub use address::Address;
pub use channel::{Channel, ChannelOptions, Trust};
pub use dialer::{DialError, Dialer};
pub use identity::{Expected, Identity, Role};
pub use peer::Peer;
pub use server::{Access, Listener, Security, Server, ServerOptions};
pub use tls::{TlsError, TlsFiles, TlsSource};
pub use version::{Negotiated, ProtocolRange};
