//! Threads that serve connections. Each has servers, and an event loop, of its own: a request goes from its client to the server
//! and back without ever waking another thread.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::administration::{FlushOrder, WAITING};
use crate::connection::{Connection, End};
use crate::house::House;
use crate::plane::{Bounds, Plane};
use crate::strangers::{Stranger, Strangers};
use crate::upstreams::{Servers, Upstreams};
use crate::usage::Alarm;
use crate::{ClientTls, Control, Counts, ProxyConfig, Sessions};

/// Connections end at once when the proxy does; this is for what they are about to write.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// From the first byte to the last of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// After `accept` failed, for want of files.
const PAUSE: Duration = Duration::from_millis(50);
/// A client that is gone without a word is noticed after about three of these.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A socket for clients, which listens.
#[derive(Debug)]
pub struct Listening {
    pub socket: std::net::TcpListener,
    /// `None`: plain text.
    pub tls: Option<Arc<ClientTls>>,
}

impl From<std::net::TcpListener> for Listening {
    fn from(socket: std::net::TcpListener) -> Self {
        Self { socket, tls: None }
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    control: Arc<Control>,
    counts: Arc<Counts>,
    sessions: Arc<Sessions>,
    stop: CancellationToken,
    threads: Vec<std::thread::JoinHandle<()>>,
    is_there: watch::Receiver<bool>,
    orders: mpsc::Sender<FlushOrder>,
    addresses: Vec<SocketAddr>,
}

impl Proxy {
    /// Begins to serve on these sockets, which listen, with so many threads.
    ///
    /// # Errors
    /// When there are no threads, or a socket is of no use.
    pub fn start(
        config: ProxyConfig,
        servers: &Servers,
        listeners: &[Listening],
        threads: usize,
    ) -> io::Result<Self> {
        let (there, is_there) = watch::channel(false);
        let (orders, to_do) = mpsc::channel(WAITING);
        let mut house = Some(House { there, orders: to_do });
        let mut proxy = Self {
            control: Arc::new(Control::new(config.budget, config.token_slack)),
            counts: Arc::default(),
            sessions: Arc::default(),
            stop: CancellationToken::new(),
            threads: Vec::new(),
            is_there,
            orders,
            addresses: listeners.iter().map(|each| each.socket.local_addr()).collect::<io::Result<_>>()?,
        };
        let alarm = Arc::new(Alarm::default());
        let strangers = Arc::new(Strangers::default());
        for number in 0..threads.max(1) {
            let listeners = listeners.iter().map(own).collect::<io::Result<Vec<_>>>()?;
            let runtime = runtime()?;
            let thread = Thread {
                control: Arc::clone(&proxy.control),
                counts: Arc::clone(&proxy.counts),
                sessions: Arc::clone(&proxy.sessions),
                strangers: Arc::clone(&strangers),
                alarm: Arc::clone(&alarm),
                stop: proxy.stop.clone(),
                config,
                servers: servers.clone(),
                house: house.take(),
            };
            let name = format!("cache-{number}");
            let spawned =
                std::thread::Builder::new().name(name).spawn(move || runtime.block_on(thread.run(listeners)));
            proxy.threads.push(spawned?);
        }
        Ok(proxy)
    }

    #[must_use]
    pub const fn control(&self) -> &Arc<Control> {
        &self.control
    }

    #[must_use]
    pub const fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Connections of clients.
    #[must_use]
    pub const fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    pub(crate) const fn orders(&self) -> &mpsc::Sender<FlushOrder> {
        &self.orders
    }

    /// Whether the local tier's server is there, now and from now on.
    #[must_use]
    pub fn is_there(&self) -> watch::Receiver<bool> {
        self.is_there.clone()
    }

    /// Where clients find it.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Ends all connections, and returns when its threads have ended. Blocks.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the cache's proxy has panicked");
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

fn own(listener: &Listening) -> io::Result<Listening> {
    let socket = listener.socket.try_clone()?;
    socket.set_nonblocking(true)?;
    Ok(Listening { socket, tls: listener.tls.clone() })
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

struct Thread {
    control: Arc<Control>,
    counts: Arc<Counts>,
    sessions: Arc<Sessions>,
    strangers: Arc<Strangers>,
    alarm: Arc<Alarm>,
    stop: CancellationToken,
    config: ProxyConfig,
    servers: Servers,
    /// One of them does what is to be done once, and tells whether the server is there.
    house: Option<House>,
}

impl Thread {
    async fn run(self, listeners: Vec<Listening>) {
        let tasks = TaskTracker::new();
        // What clients are told last goes to the servers before.
        let upstream_stop = CancellationToken::new();
        let upstreams = Upstreams::start(&self.servers, &self.config, &tasks, &upstream_stop);
        let plane = Arc::new(Plane {
            control: self.control,
            upstreams,
            config: self.config,
            key_expiry: u32::try_from(self.config.key_expiry.as_secs()).unwrap_or(u32::MAX).max(1),
            bounds: Bounds {
                reply_timeout: self.servers.local.reply_timeout,
                max_replies: self.servers.local.max_replies,
            },
            stop: self.stop.clone(),
            counts: self.counts,
            sessions: self.sessions,
            strangers: self.strangers,
            alarm: self.alarm,
        });
        let connections = TaskTracker::new();
        for Listening { socket, tls } in listeners {
            match TcpListener::from_std(socket) {
                Ok(listener) => {
                    connections.spawn(accept((listener, tls), Arc::clone(&plane), connections.clone()));
                }
                Err(error) => tracing::error!(%error, "a socket of the cache's proxy is of no use"),
            }
        }
        if !self.config.spin.is_zero()
            && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
        {
            let (stop, looking) = (upstream_stop.clone(), crate::spin::keep_looking(self.config.spin));
            tasks.spawn(async move { stop.run_until_cancelled(looking).await });
        }
        if let Some(house) = self.house {
            tasks.spawn(house.keep(Arc::clone(&plane)));
        }
        self.stop.cancelled().await;
        connections.close();
        if tokio::time::timeout(LAST_WORDS, connections.wait()).await.is_err() {
            tracing::debug!("connections of the cache's proxy are given up");
        }
        upstream_stop.cancel();
        tasks.close();
        let _ = tokio::time::timeout(LAST_WORDS, tasks.wait()).await;
    }
}

async fn accept(
    (listener, tls): (TcpListener, Option<Arc<ClientTls>>),
    plane: Arc<Plane>,
    connections: TaskTracker,
) {
    let stop = plane.stop.clone();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, address)) => {
                let plane = Arc::clone(&plane);
                // On a socket for both kinds, an older address comes as a newer one.
                let peer = address.ip().to_canonical();
                match Place::take(&plane, peer) {
                    Some(place) => {
                        connections.spawn(serve((stream, tls.clone()), peer, plane, place));
                    }
                    None => turn_away(stream),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the cache's proxy cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// In Redis's words. Nobody waits for the client to take them.
fn turn_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(b"-ERR max number of clients reached\r\n");
    }
}

async fn serve(
    (stream, tls): (TcpStream, Option<Arc<ClientTls>>),
    peer: IpAddr,
    plane: Arc<Plane>,
    (_place, stranger): (Place, Stranger),
) {
    // Replies are written at once; whatever waits for more waits in vain.
    if stream.set_nodelay(true).is_err() || crate::keep_alive::set(&stream, KEEP_ALIVE).is_err() {
        return;
    }
    let shown = (Some(peer), Some(stranger));
    let end = match tls {
        None => Connection::new(stream, shown, plane).run().await,
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.config()).accept(stream);
            match tokio::time::timeout(HANDSHAKE, handshake).await {
                Ok(Ok(stream)) => Box::pin(Connection::new(stream, shown, plane).run()).await,
                Ok(Err(error)) => End::Io(error),
                Err(_) => End::Io(io::ErrorKind::TimedOut.into()),
            }
        }
    };
    tracing::debug!(address = %peer, %end, "a client's connection has ended");
}

/// One of the connections that there may be.
struct Place(Arc<Counts>);

impl Place {
    fn take(plane: &Plane, address: IpAddr) -> Option<(Self, Stranger)> {
        let counts = &plane.counts;
        let before = counts.connections.fetch_add(1, Ordering::AcqRel);
        let place = Self(Arc::clone(counts));
        let has_room = before < plane.config.max_connections as u64;
        let Some(stranger) = has_room.then(|| plane.stranger(address)).flatten() else {
            counts.connections_refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        counts.connections_accepted.fetch_add(1, Ordering::Relaxed);
        Some((place, stranger))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}
