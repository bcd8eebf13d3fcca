//! Serving gRPC.
//!
//! ```text
//! let server = Server::builder(ServerOptions::default())
//!     .service(Access::roles(&[Role::Admin]), SubjectsServer::new(subjects))
//!     .reflection(oxwhisk_proto::DESCRIPTORS)?
//!     .health(readiness)
//!     .build();
//! let listener = Listener::bind(&address, security).await?;
//! shutdown.spawn("admin", async move { server.serve(listener, token).await });
//! ```
//!
//! The accept loop is ours and not `tonic`'s, for what that one leaves open: handshakes go on beside each other and have
//! a limit in time, a connection must begin with HTTP/2's preface within it, every task is owned, and the end is bounded.

mod access;
mod builder;
mod connection;
mod deadline;
mod listener;
mod routes;
mod serve;

use std::time::Duration;

pub use access::Access;
pub use builder::{Builder, ReflectionError};
pub use listener::{BindError, Listener, Security};
pub use serve::Server;

use crate::version::{self, ProtocolRange};

/// Bounds of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at once; more wait in the backlog.
    pub max_connections: usize,
    /// From accepting a connection to the first bytes of HTTP/2 in it.
    pub handshake_timeout: Duration,
    /// Until a request is answered; for streams, until the answer begins. A shorter deadline of the client's holds.
    pub request_timeout: Duration,
    /// Silence after which a peer is asked whether it is still there.
    pub keep_alive_interval: Duration,
    /// How long it may take to answer.
    pub keep_alive_timeout: Duration,
    /// Calls at once on a connection.
    pub max_streams: u32,
    /// Bytes a client may send ahead on one call.
    pub stream_window: u32,
    /// Bytes a client may send ahead on one connection.
    pub connection_window: u32,
    /// Bytes of a frame.
    pub max_frame: u32,
    /// Bytes of the headers of a request.
    pub max_headers: u32,
    /// Bytes that wait to be sent on one call.
    pub send_buffer: usize,
    /// What requests get to finish when the server stops.
    pub grace: Duration,
    /// Protocol versions to speak.
    pub protocol: ProtocolRange,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 256,
            handshake_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(10),
            max_streams: 256,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            max_frame: 16 << 10,
            max_headers: 16 << 10,
            send_buffer: 256 << 10,
            grace: Duration::from_secs(10),
            protocol: version::OWN,
        }
    }
}
