//! Makes connections, one attempt at a time, with pauses after failures.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, OtherError};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::{Backoff, ChannelError, ChannelOptions, Trust};
use crate::address::Address;
use crate::io::{BoxStream, connect_unix, without_delay};
use crate::tls::TlsError;

/// Why there is no connection; shown by the UNAVAILABLE that calls get.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot connect to {address}: {reason}")]
pub(super) struct ConnectError {
    address: Address,
    reason: String,
    /// The host answered that nobody listens there.
    pub(super) refused: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Connector(Arc<Target>);

#[derive(Debug)]
struct Target {
    address: Address,
    trust: Trust,
    server_name: Option<ServerName<'static>>,
    timeout: Duration,
    backoff: Backoff,
    failures: Mutex<Failures>,
}

/// Failures since there was a connection.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    /// When to try again, and why the last attempt failed.
    last: Option<(Instant, ConnectError)>,
}

impl Connector {
    pub(super) fn new(
        address: Address,
        trust: Trust,
        options: &ChannelOptions,
    ) -> Result<Self, ChannelError> {
        let server_name = match &trust {
            Trust::MutualTls { expected, .. } => Some(expected.server_name()?),
            Trust::Plaintext { .. } => None,
        };
        Ok(Self(Arc::new(Target {
            address,
            trust,
            server_name,
            timeout: options.connect_timeout,
            backoff: options.backoff,
            failures: Mutex::default(),
        })))
    }
}

impl Target {
    async fn attempt(&self) -> Result<BoxStream, ConnectError> {
        if let Some(error) = self.pausing() {
            return Err(error);
        }
        let (reason, refused) = match tokio::time::timeout(self.timeout, self.open()).await {
            Ok(Ok(stream)) => {
                *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = Failures::default();
                return Ok(stream);
            }
            Ok(Err(error)) => {
                let nobody = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
                (reason_of(&error), nobody.contains(&error.kind()))
            }
            Err(_elapsed) => (format!("no connection within {} ms", self.timeout.as_millis()), false),
        };
        let error = ConnectError { address: self.address.clone(), reason, refused };
        self.failed(error.clone());
        Err(error)
    }

    /// The last failure, while it is too early to try again.
    fn pausing(&self) -> Option<ConnectError> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.last.as_ref().filter(|(again, _)| Instant::now() < *again).map(|(_, error)| error.clone())
    }

    fn failed(&self, error: ConnectError) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count = failures.count.saturating_add(1);
        if failures.count == 1 {
            // Once an outage: the callers see each.
            tracing::warn!(%error, "a peer cannot be reached");
        }
        let pause = self.backoff.pause(failures.count, rand::random());
        failures.last = Some((Instant::now() + pause, error));
    }

    async fn open(&self) -> io::Result<BoxStream> {
        let (host, port) = match &self.address {
            Address::Unix(path) => return Ok(Box::new(connect_unix(path).await?)),
            Address::Tcp { host, port } => (host.as_str(), *port),
        };
        let stream = without_delay(TcpStream::connect((host, port)).await?)?;
        let (Trust::MutualTls { tls, expected }, Some(name)) = (&self.trust, &self.server_name) else {
            return Ok(Box::new(stream));
        };
        let config = tls.client(expected).map_err(|error: TlsError| io::Error::other(error))?;
        Ok(Box::new(TlsConnector::from(config).connect(name.clone(), stream).await?))
    }
}

/// What `rustls` says of our own checks is only their `Debug`.
fn reason_of(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(own)))) => own.to_string(),
        _ => error.to_string(),
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<BoxStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let target = Arc::clone(&self.0);
        Box::pin(async move { target.attempt().await.map(TokioIo::new) })
    }
}
