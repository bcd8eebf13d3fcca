//! The external store: tiles by HTTP, each after a delay, a bounded number at a time, as a database at the other end of a network
//! would answer. A `PUT` has a tile drawn beforehand, without delay.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::random::mixed;
use super::requests::Tile;
use super::{duration, image};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// Requests that wait for their turn; more are refused with 503.
const WAITING: u64 = 512;
/// Pictures that are kept, so that drawing them takes no processor from what is measured; about 100 MB.
const KEPT: usize = 16_384;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StoreOptions {
    /// How long the store takes for a tile.
    #[arg(long, default_value = "50ms", value_parser = duration::parse)]
    pub(crate) store_delay: Duration,
    /// What is added to that at most: between nothing and this, by a seed.
    #[arg(long, default_value = "10ms", value_parser = duration::parse)]
    pub(crate) store_jitter: Duration,
    /// Tiles that the store is at work on at a time; others wait.
    #[arg(long, default_value_t = 16)]
    pub(crate) store_concurrency: u32,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeOptions {
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) store: StoreOptions,
}

#[derive(Debug)]
struct Store {
    delay: Duration,
    jitter: Duration,
    turns: Semaphore,
    waiting: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
    drawn: Mutex<HashMap<Tile, Bytes>>,
}

/// Serves until it is ended. The first line on the standard output says where.
pub(crate) fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    // One thread is enough for what it does, and leaves the rest of the machine to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("listen on {}", options.listen))?;
        println!("{}", json!({"store": listener.local_addr()?.to_string()}));
        let store = Arc::new(Store::new(&options.store));
        accept(&listener, &store).await
    })
}

async fn accept(listener: &TcpListener, store: &Arc<Store>) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        let (stream, _) = listener.accept().await?;
        connections.spawn(connection(stream, Arc::clone(store)));
    }
}

/// Lasts as long as its client wants: a container that is frozen between calls must find it again.
async fn connection(stream: TcpStream, store: Arc<Store>) {
    let service = service_fn(move |request| {
        let store = Arc::clone(&store);
        async move { Ok::<_, Infallible>(store.answer(&request).await) }
    });
    if stream.set_nodelay(true).is_ok() {
        // A client that goes away in the middle takes its request along; the caller of the action hears of it.
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
    }
}

impl Store {
    fn new(options: &StoreOptions) -> Self {
        Self {
            delay: options.store_delay,
            jitter: options.store_jitter,
            turns: Semaphore::new(options.store_concurrency.max(1) as usize),
            waiting: AtomicU64::new(0),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            drawn: Mutex::default(),
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path == "/stats" && request.method() == Method::GET {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let stats = json!({"served": count(&self.served), "refused": count(&self.refused)});
            return answer(StatusCode::OK, "application/json", stats.to_string().into());
        }
        let name = path.strip_prefix('/').and_then(|path| path.strip_suffix(".png"));
        let Some(tile) = name.and_then(|name| name.parse().ok()) else {
            return answer(StatusCode::NOT_FOUND, "text/plain", Bytes::new());
        };
        match *request.method() {
            Method::GET => self.tile(tile).await,
            Method::PUT => picture(self.draw(tile)),
            _ => answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", Bytes::new()),
        }
    }

    async fn tile(&self, tile: Tile) -> Response<Full<Bytes>> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", Bytes::new());
        }
        let turn = self.turns.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let until = Instant::now() + self.takes(self.served.fetch_add(1, Ordering::Relaxed));
        let drawn = self.draw(tile);
        tokio::time::sleep_until(until).await;
        drop(turn);
        picture(drawn)
    }

    /// How long the `number`th tile takes.
    fn takes(&self, number: u64) -> Duration {
        let part = (mixed(number) >> 32) as u32;
        self.delay + self.jitter.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }

    fn draw(&self, tile: Tile) -> std::io::Result<Bytes> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(png) = drawn.get(&tile) {
            return Ok(png.clone());
        }
        let png = Bytes::from(image::png(tile)?);
        if drawn.len() < KEPT {
            drawn.insert(tile, png.clone());
        }
        Ok(png)
    }
}

fn picture(drawn: std::io::Result<Bytes>) -> Response<Full<Bytes>> {
    match drawn {
        Ok(png) => answer(StatusCode::OK, "image/png", png),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string().into()),
    }
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_takes_the_delay_and_at_most_the_jitter_more_the_same_each_time() {
        let options = StoreOptions {
            store_delay: Duration::from_millis(50),
            store_jitter: Duration::from_millis(10),
            store_concurrency: 1,
        };
        let store = Store::new(&options);
        let taken: Vec<Duration> = (0..100).map(|number| store.takes(number)).collect();
        assert!(
            taken.iter().all(|time| (Duration::from_millis(50)..=Duration::from_millis(60)).contains(time))
        );
        assert!(taken[0] != taken[1]);
        assert_eq!(taken[7], Store::new(&options).takes(7));
    }
}
