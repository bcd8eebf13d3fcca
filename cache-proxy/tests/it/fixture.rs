//! A server, a proxy before it, and clients.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_cache_proxy::{Order, Proxy, ProxyConfig, Servers};
use oxwhisk_cache_tokens::{ContainerId, Issue, Token};
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_core::cache::CacheGrant;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_redis_server::{Connection, RedisServer};

const SECRET: &str = "the-server's-secret";

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
        let server = RedisServer::start_with(test, Some(SECRET))?;
        let login = Login { user: None, password: Some(SECRET.into()) };
        let local = UpstreamConfig::new(Address::Unix(server.socket()), login, Protocol::Resp2);
        let servers = Servers { local: Arc::new(local), global: None };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(config, &servers, &[listener.into()], 1).unwrap();
        Some(Self { proxy, server })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.addresses()[0]
    }

    /// A connection that has shown nothing.
    pub(crate) fn connect(&self) -> Connection<TcpStream> {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection::new(stream)
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

    /// A client of an activation of its own.
    pub(crate) fn client(&self, action: &str) -> Connection<TcpStream> {
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
    pub(crate) fn log_in(&self, client: &mut Connection<TcpStream>) {
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
