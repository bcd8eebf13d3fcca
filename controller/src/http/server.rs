//! The accept loop.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use oxwhisk_core::id::TransactionId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Controller;
use crate::http::linger::{Lingering, StillSending};
use crate::http::reply::Reply;
use crate::http::stall::StallGuard;
use crate::http::upload::BodyLeft;

#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections served at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// A connection without a request, a request without its whole head, and an answer that the client does not take
    /// end after this.
    pub idle_timeout: Duration,
    /// What a request may take beside the longest wait of a blocking invocation, and beside its body if that comes fast
    /// enough. A request that takes longer is answered with 503, whatever holds it up.
    pub answer_margin: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            idle_timeout: Duration::from_secs(70),
            answer_margin: Duration::from_secs(5),
        }
    }
}

/// Serves HTTP on listeners that the caller has bound.
#[derive(Debug)]
pub struct Server {
    controller: Arc<Controller>,
    timeouts: Timeouts,
    connections: TaskTracker,
    permits: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Server {
    #[must_use]
    pub fn new(controller: Arc<Controller>, config: ServerConfig) -> Self {
        let timeouts = Timeouts {
            idle: config.idle_timeout,
            request: controller.config.limits.blocking_wait.saturating_add(config.answer_margin),
        };
        let permits = Arc::new(Semaphore::new(config.max_connections));
        Self {
            controller,
            timeouts,
            connections: TaskTracker::new(),
            permits,
            closing: CancellationToken::new(),
        }
    }

    /// Accepts connections until [`Server::close`].
    pub async fn serve(&self, listener: TcpListener) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = serve_connection(
                        Arc::clone(&self.controller),
                        stream,
                        peer,
                        self.timeouts,
                        self.closing.clone(),
                    );
                    self.connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others must be closed before this can succeed.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Stops accepting, lets requests that have begun finish, at most for `grace`. Says whether all did.
    pub async fn close(&self, grace: Duration) -> bool {
        self.closing.cancel();
        self.connections.close();
        tokio::time::timeout(grace, self.connections.wait()).await.is_ok()
    }
}

#[derive(Clone, Copy, Debug)]
struct Timeouts {
    idle: Duration,
    request: Duration,
}

async fn serve_connection(
    controller: Arc<Controller>,
    stream: TcpStream,
    peer: SocketAddr,
    timeouts: Timeouts,
    closing: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot switch Nagle's algorithm off");
    }
    let still_sending = StillSending::default();
    let service = service_fn(|request| {
        let controller = Arc::clone(&controller);
        let still_sending = &still_sending;
        async move {
            // A defect in one request must not take others on the connection down with it.
            let answer = AssertUnwindSafe(controller.handle(request, timeouts.request)).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| {
                let header = &controller.config.transaction_header;
                Reply::internal_error().into_response(&TransactionId::generate(), header)
            });
            if answer.extensions().get::<BodyLeft>().is_some() {
                still_sending.set();
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    // No `pipeline_flush`: with it hyper closes the connection without the answer to a request that it cannot parse.
    builder.timer(TokioTimer::new()).header_read_timeout(timeouts.idle).max_buf_size(64 * 1024);
    let stream = Lingering::new(StallGuard::new(stream, timeouts.idle), still_sending.clone());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}
