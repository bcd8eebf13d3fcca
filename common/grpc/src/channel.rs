//! Connections to gRPC servers that come back by themselves.
//!
//! A [`Channel`] connects when it is first used. When its connection breaks, the next call makes a new one; while that does
//! not succeed, calls fail at once with UNAVAILABLE and the reason of the last attempt, and attempts become rarer. Nothing
//! waits longer than [`ChannelOptions::connect_timeout`] for a connection, and a peer that has gone silent is noticed by
//! pings. The peer's certificate must name whom the channel [`Expected`].

mod backoff;
mod connector;

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

pub use backoff::Backoff;
use connector::Connector;

use crate::address::{self, Address, PlaintextRefused};
use crate::identity::{Expected, IdentityError};
use crate::tls::{TlsError, TlsSource};
pub use crate::version::Negotiated;
use crate::version::{self, ProtocolRange, VersionError};

/// What generated clients are made over. Clones share the connection.
pub type Channel = InterceptedService<tonic::transport::Channel, Announce>;

/// How a server at a TCP address is known. On a unix socket, the file's owner and mode are what is trusted.
#[derive(Clone, Debug)]
pub enum Trust {
    MutualTls {
        tls: Arc<TlsSource>,
        expected: Expected,
    },
    /// No TLS; to others than this machine only with `insecure`, the configuration's admission.
    Plaintext {
        insecure: bool,
    },
}

/// Bounds of a channel.
#[derive(Clone, Debug)]
pub struct ChannelOptions {
    /// For address, connection and TLS together.
    pub connect_timeout: Duration,
    /// Longest time to the beginning of an answer; `None` leaves it to each call.
    pub request_timeout: Option<Duration>,
    /// Silence after which the peer is asked whether it is still there.
    pub keep_alive_interval: Duration,
    /// How long it may take to answer.
    pub keep_alive_timeout: Duration,
    /// Bytes a server may send ahead on one call.
    pub stream_window: u32,
    /// Bytes a server may send ahead on the connection.
    pub connection_window: u32,
    /// Bytes of the headers of an answer.
    pub max_headers: u32,
    pub backoff: Backoff,
    /// Protocol versions to speak.
    pub protocol: ProtocolRange,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            request_timeout: None,
            keep_alive_interval: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            max_headers: 16 << 10,
            backoff: Backoff::default(),
            protocol: version::OWN,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error(transparent)]
    Plaintext(#[from] PlaintextRefused),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("'{0}' cannot be the authority of a request")]
    Authority(String),
}

/// A channel to `address`. Nothing is connected yet.
///
/// # Errors
/// When plain text is not admitted, or the expected peer's name cannot be one.
///
/// # Panics
/// Outside a tokio runtime.
pub fn connect(address: Address, trust: Trust, options: &ChannelOptions) -> Result<Channel, ChannelError> {
    let authority = match &trust {
        Trust::MutualTls { expected, .. } => expected.dns_name(),
        Trust::Plaintext { insecure } => {
            address::check_plaintext(&address, *insecure)?;
            "localhost".to_owned()
        }
    };
    // TLS is the connector's business; to tonic the connection is plain.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|_| ChannelError::Authority(authority))?
        .initial_stream_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
        .http2_max_header_list_size(options.max_headers)
        .http2_keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let endpoint = match options.request_timeout {
        Some(limit) => endpoint.timeout(limit),
        None => endpoint,
    };
    let connector = Connector::new(address, trust, options)?;
    let channel = endpoint.connect_with_connector_lazy(connector);
    Ok(InterceptedService::new(channel, Announce(options.protocol)))
}

/// Says in every request which protocol versions this side speaks.
#[derive(Clone, Copy, Debug)]
pub struct Announce(ProtocolRange);

impl Interceptor for Announce {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        let mut headers = std::mem::take(request.metadata_mut()).into_headers();
        version::announce(&mut headers, self.0);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        Ok(request)
    }
}

/// What to use with the server that sent this answer.
///
/// # Errors
/// When there is no common version.
pub fn negotiated(answer: &MetadataMap, own: ProtocolRange) -> Result<Negotiated, VersionError> {
    Negotiated::of_headers(answer.as_ref(), own, "server")
}

/// Whether a call failed because the host answered that nobody listens at the address: the process has ended, which silence
/// would not tell.
#[must_use]
pub fn nobody_listens(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<connector::ConnectError>() {
            return error.refused;
        }
        cause = error.source();
    }
    false
}
