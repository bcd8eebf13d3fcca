//! One connection: handshake, preface, requests.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::body::Body;
use tower::Service as _;

use super::listener::{Accepted, admits_user};
use super::serve::Server;
use super::{ServerOptions, deadline};
use crate::identity::{Identity, IdentityError};
use crate::io::{BoxStream, Rewound, Stream};
use crate::peer::Peer;
use crate::version::{self, Negotiated};

/// How HTTP/2 begins, RFC 9113, 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// When connections end.
#[derive(Clone, Debug)]
pub(super) struct Lifetime {
    /// Requests that have begun are finished, others not taken.
    pub(super) closing: CancellationToken,
    /// Everything ends.
    pub(super) cut: CancellationToken,
    /// What runs requests.
    pub(super) calls: TaskTracker,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the handshake failed: {0}")]
    Handshake(io::Error),
    #[error(transparent)]
    Nobody(#[from] IdentityError),
    #[error("user {0} is neither this server's nor root")]
    Stranger(u32),
    #[error("it does not begin as HTTP/2 does")]
    NotHttp2,
    #[error("it was closed or broke before HTTP/2 began: {0}")]
    Broken(io::Error),
}

/// Runs the requests on `executor`'s tracker.
#[derive(Clone, Debug)]
struct Calls(Lifetime);

impl<F> Executor<F> for Calls
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, call: F) {
        let cut = self.0.cut.clone();
        self.0.calls.spawn(async move { cut.run_until_cancelled_owned(call).await.map(drop) });
    }
}

pub(super) async fn serve(server: Arc<Server>, accepted: Accepted, lifetime: Lifetime) {
    let limit = server.options.handshake_timeout;
    let opened = tokio::time::timeout(limit, open(accepted));
    // A connection on which nothing was asked yet has nothing to finish.
    match lifetime.closing.run_until_cancelled(opened).await {
        Some(Ok(Ok((stream, peer)))) => talk(server, stream, peer, lifetime).await,
        Some(Ok(Err((from, Refused::Broken(error))))) => {
            tracing::debug!(from, %error, "a connection was closed early")
        }
        Some(Ok(Err((from, refused)))) => tracing::warn!(from, reason = %refused, "a connection was refused"),
        Some(Err(_elapsed)) => {
            tracing::warn!(?limit, "a connection did not get through its handshake in time")
        }
        None => {}
    }
}

/// Whom the connection is from, and the connection with HTTP/2's preface in it.
async fn open(accepted: Accepted) -> Result<(BoxStream, Peer), (String, Refused)> {
    match accepted {
        Accepted::Plain(stream, from) => {
            let peer = Peer::Anonymous(from);
            begin(stream).await.map(|stream| (stream, peer)).map_err(|error| (from.to_string(), error))
        }
        Accepted::Unix(stream) => {
            let named = |error| ("a unix socket".to_owned(), error);
            let uid = stream.peer_cred().map_err(|error| named(Refused::Broken(error)))?.uid();
            if !admits_user(uid) {
                return Err(named(Refused::Stranger(uid)));
            }
            Ok((begin(stream).await.map_err(named)?, Peer::Local { uid }))
        }
        Accepted::Tls(stream, from, tls) => {
            let named = |error| (from.to_string(), error);
            let acceptor = TlsAcceptor::from(tls.server());
            let stream = acceptor.accept(stream).await.map_err(|error| named(Refused::Handshake(error)))?;
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let identity = match certificate {
                Some(certificate) => Identity::of_certificate(certificate),
                None => Err(IdentityError::Missing),
            };
            let peer = Peer::Certified(identity.map_err(|error| named(error.into()))?);
            Ok((begin(stream).await.map_err(named)?, peer))
        }
    }
}

/// Waits for the preface, under the limit for the handshake: `hyper` would wait for ever.
async fn begin(mut stream: impl Stream) -> Result<BoxStream, Refused> {
    let mut preface = vec![0; PREFACE.len()];
    let mut read = 0;
    while read < PREFACE.len() {
        match stream.read(&mut preface[read..]).await.map_err(Refused::Broken)? {
            0 => return Err(Refused::Broken(io::ErrorKind::UnexpectedEof.into())),
            count => read += count,
        }
        if preface[..read] != PREFACE[..read] {
            return Err(Refused::NotHttp2);
        }
    }
    Ok(Box::new(Rewound::new(preface, stream)))
}

async fn talk(server: Arc<Server>, stream: BoxStream, peer: Peer, lifetime: Lifetime) {
    let builder = http2_builder(&server.options, Calls(lifetime.clone()));
    let peer = Arc::new(peer);
    let service = {
        let peer = Arc::clone(&peer);
        service_fn(move |request| answer(Arc::clone(&server), Arc::clone(&peer), request))
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = lifetime.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match lifetime.cut.run_until_cancelled(connection).await {
                Some(ended) => ended,
                None => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

fn http2_builder(options: &ServerOptions, calls: Calls) -> http2::Builder<Calls> {
    let mut builder = http2::Builder::new(calls);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
        .max_concurrent_streams(options.max_streams)
        .max_frame_size(options.max_frame)
        .max_header_list_size(options.max_headers)
        .max_send_buf_size(options.send_buffer)
        .keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout);
    builder
}

async fn answer(
    server: Arc<Server>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let limit = deadline::of_request(request.headers(), server.options.request_timeout);
    let mut response = match tokio::time::timeout(limit, route(&server, &peer, request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => status.into_http(),
        Err(_elapsed) => {
            Status::deadline_exceeded(format!("no answer within {} ms", limit.as_millis())).into_http()
        }
    };
    version::announce(response.headers_mut(), server.options.protocol);
    Ok(response)
}

async fn route(server: &Server, peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let mut callee = server.routes.find(request.uri().path(), peer)?;
    let negotiated = Negotiated::of_headers(request.headers(), server.options.protocol, "client")?;
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer.clone());
    request.extensions_mut().insert(negotiated);
    let Ok(()) = std::future::poll_fn(|cx| callee.poll_ready(cx)).await;
    let Ok(response) = callee.call(request).await;
    Ok(response)
}
