//! A server, a proxy before it, and clients.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_cache_proxy::{Order, Proxy, ProxyConfig, Servers};
use oxwhisk_cache_tokens::{ContainerId, Issue, Token};
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_core::cache::CacheGrant;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_redis_server::{Connection, RedisServer, encoded};

const SECRET: &str = "the-server's-secret";

/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) type Client = Connection<TcpStream>;

pub(crate) fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Connection::new(stream)
}

/// One command in words without spaces, and the reply with `|` for the end of a line.
pub(crate) fn say(client: &mut Client, line: &str) -> String {
    client.send(&request(line));
    heard(client)
}

/// As it is sent.
pub(crate) fn request(line: &str) -> Vec<u8> {
    encoded(&line.split(' ').collect::<Vec<_>>())
}

/// Several, in one piece.
pub(crate) fn requests(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| request(line)).collect()
}

/// The next reply.
pub(crate) fn heard(client: &mut Client) -> String {
    String::from_utf8_lossy(&client.raw()).replace("\r\n", "|")
}

/// Sends several in one piece, and reads as many replies.
pub(crate) fn say_all(client: &mut Client, lines: &[&str]) -> Vec<String> {
    client.send(&requests(lines));
    lines.iter().map(|_| heard(client)).collect()
}

/// Waits for what must come to be.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) const NO_AUTH: &str = "-NOAUTH Authentication required.|";

/// A server as the local tier's, with this password.
pub(crate) fn servers(server: &RedisServer, password: Option<&str>) -> Servers {
    let login = Login { user: None, password: password.map(Into::into) };
    let local = UpstreamConfig::new(Address::Unix(server.socket()), login, Protocol::Resp2);
    Servers { local: Arc::new(local), global: None }
}

fn proxy(server: &RedisServer, config: ProxyConfig, threads: usize) -> Proxy {
    let servers = servers(server, Some(SECRET));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Proxy::start(config, &servers, &[listener.into()], threads).unwrap()
}

/// A proxy with a server of its own.
pub(crate) struct Cache {
    // Ends before its server does.
    pub(crate) proxy: Proxy,
    pub(crate) server: RedisServer,
}

impl Cache {
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, ProxyConfig::default())
    }

    pub(crate) fn start_with(test: &str, config: ProxyConfig) -> Option<Self> {
        Self::start_threads(test, config, 1)
    }

    pub(crate) fn start_threads(test: &str, config: ProxyConfig, threads: usize) -> Option<Self> {
        let server = RedisServer::start_with(test, Some(SECRET))?;
        let proxy = proxy(&server, config, threads);
        Some(Self { proxy, server })
    }

    /// Another proxy for the same server.
    pub(crate) fn another(&self) -> Proxy {
        proxy(&self.server, ProxyConfig::default(), 1)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.addresses()[0]
    }

    /// A connection that has shown nothing.
    pub(crate) fn connect(&self) -> Client {
        connect(self.address())
    }

    /// An activation that begins.
    pub(crate) fn begin(&self, order: Order) -> Running {
        let id = order.activation_id;
        let token = self.proxy.control().issue(order).unwrap();
        Running { id, token }
    }

    pub(crate) fn end(&self, running: &Running) {
        assert!(self.proxy.control().revoke(running.id));
    }

    /// Until the server says of its clients what is wanted.
    pub(crate) fn server_has(&self, what: &str, clients: usize) {
        let mut server = self.server.connect();
        until(&format!("{clients} clients with {what}"), || {
            let list = server.call(&["CLIENT", "LIST"]).text();
            list.lines().filter(|line| line.contains(what)).count() == clients
        });
    }

    /// A client of an activation of its own.
    pub(crate) fn client(&self, action: &str) -> Client {
        let running = self.begin(order(action));
        let mut client = self.connect();
        running.log_in(&mut client);
        client
    }
}

/// An activation that may use the cache.
pub(crate) struct Running {
    pub(crate) id: ActivationId,
    pub(crate) token: Token,
}

impl Running {
    pub(crate) fn log_in(&self, client: &mut Client) {
        assert_eq!(client.call(&["AUTH", &self.token.reveal()]).text(), "OK");
    }
}

/// For an activation of an action, in a container of its own.
pub(crate) fn order(action: &str) -> Order {
    let id = ActivationId::generate();
    let guest = EntityName::new("guest").unwrap();
    Order {
        issue: Issue::default(),
        activation_id: id,
        namespace_uuid: "11111111-2222-3333-4444-555555555555".into(),
        action: FullyQualifiedName::parse(action, &guest).unwrap(),
        grant: CacheGrant::default(),
        container: ContainerId(id.to_string()),
        address: None,
        is_alone: true,
        lasts: Duration::from_secs(600),
    }
}

/// As [`order`], in a certain container.
pub(crate) fn order_in(container: &str, action: &str) -> Order {
    Order { container: ContainerId(container.to_owned()), ..order(action) }
}
