//! The shell: connections, time limits, bodies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::{Answer, LOG_LEVEL, Operated, text};

/// Bounds of the server.
#[derive(Clone, Debug)]
pub struct OpsOptions {
    /// Connections served at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// A connection ends after this, whatever happens on it: probes and scrapers come again.
    pub connection: Duration,
    /// How long connections may go on when the server stops.
    pub grace: Duration,
}

impl Default for OpsOptions {
    fn default() -> Self {
        Self { max_connections: 64, connection: Duration::from_secs(60), grace: Duration::from_secs(1) }
    }
}

/// Bytes of the longest log filter.
const LONGEST_FILTER: usize = 4096;
/// Without a request, or with half of one, a connection ends after this.
const HEAD: Duration = Duration::from_secs(20);
/// Pause after a failure to accept: there may be no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the pages on listeners that the caller has bound.
#[derive(Debug)]
pub struct OpsServer {
    operated: Operated,
    options: OpsOptions,
    permits: Arc<Semaphore>,
}

impl OpsServer {
    #[must_use]
    pub fn new(operated: Operated, options: OpsOptions) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(options.max_connections));
        Arc::new(Self { operated, options, permits })
    }

    /// Serves until `stop`. Stop it last, so that probes see that the service drains.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        while let Some((stream, peer, permit)) = self.accept(&listener, &stop).await {
            let connection = Arc::clone(&self).connection(stream, peer, stop.clone());
            let cut = cut.clone();
            connections.spawn(async move {
                cut.run_until_cancelled(connection).await;
                drop(permit);
            });
        }
        drop(listener);
        connections.close();
        if tokio::time::timeout(self.options.grace, connections.wait()).await.is_err() {
            cut.cancel();
            connections.wait().await;
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let next = async {
            loop {
                let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
                match listener.accept().await {
                    Ok((stream, peer)) => return Some((stream, peer, permit)),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection of an operator");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(next).await.flatten()
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let service = service_fn(|request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request, peer).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 * 1024);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let served = async {
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        match tokio::time::timeout(self.options.connection, served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%peer, %error, "connection of an operator ended early"),
            Err(_) => tracing::debug!(%peer, "connection of an operator had its time"),
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if head.method != Method::PUT || path != LOG_LEVEL {
            return self.operated.get(&head.method, path, peer.ip());
        }
        match Limited::new(body, LONGEST_FILTER).collect().await {
            Ok(body) => self.operated.set_log_filter(&body.to_bytes(), peer.ip()),
            Err(error) => text(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")),
        }
    }
}
