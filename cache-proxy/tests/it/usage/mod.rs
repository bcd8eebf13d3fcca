//! What namespaces have, and are held to.

mod estimates;
mod evictions;
mod expiries;
mod refusals;
mod several;
mod shares;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use oxwhisk_cache_proxy::{Order, Proxy, ProxyConfig, Servers, SweepConfig};
use oxwhisk_cache_tokens::{Account, Usage, owner_of};
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_core::cache::{CacheBudget, CacheGrant, CacheScope, CacheTier};
use oxwhisk_redis_server::{Connection, RedisServer, Reply, encoded};

use crate::fixture::order;

const TIER: CacheTier = CacheTier::Local;
const DEADLINE: Duration = Duration::from_secs(120);
pub(crate) const ONE: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const OTHER: &str = "22222222-2222-2222-2222-222222222222";

/// One that looks at its keys often.
fn often() -> ProxyConfig {
    let sweep = SweepConfig {
        pause: Duration::from_millis(20),
        percent: 50,
        percent_at_most: 50,
        lease: Duration::from_millis(1500),
        exchange: Duration::from_millis(50),
        ..SweepConfig::default()
    };
    ProxyConfig { sweep, ..ProxyConfig::default() }
}

fn proxy(server: &RedisServer, config: ProxyConfig) -> Proxy {
    let local = UpstreamConfig::new(Address::Unix(server.socket()), Login::default(), Protocol::Resp2);
    let servers = Servers { local: Arc::new(local), global: None };
    Proxy::start(config, &servers, &[TcpListener::bind("127.0.0.1:0").unwrap().into()], 1).unwrap()
}

fn connect(proxy: &Proxy) -> Connection<TcpStream> {
    let stream = TcpStream::connect(proxy.addresses()[0]).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Connection::new(stream)
}

fn order_of(namespace: &str, budget: CacheBudget) -> Order {
    let grant = CacheGrant { scope: CacheScope::Namespace, budget, ..CacheGrant::default() };
    Order { namespace_uuid: namespace.into(), grant, ..order("/guest/a") }
}

fn log_in(proxy: &Proxy, order: Order) -> Connection<TcpStream> {
    let token = proxy.control().issue(order).unwrap();
    let mut client = connect(proxy);
    assert_eq!(client.call(&["AUTH", &token.reveal()]).text(), "OK");
    client
}

/// A client of an activation of this namespace.
fn client(proxy: &Proxy, namespace: &str, budget: CacheBudget) -> Connection<TcpStream> {
    log_in(proxy, order_of(namespace, budget))
}

fn account(proxy: &Proxy, namespace: &str) -> Arc<Account> {
    let accounts = proxy.control().accounts();
    accounts.into_iter().find(|account| &**account.namespace_uuid() == namespace).unwrap()
}

/// Many commands at once.
fn pipeline<S: std::io::Read + std::io::Write>(client: &mut Connection<S>, commands: &[Vec<String>]) {
    for some in commands.chunks(500) {
        let bytes: Vec<u8> = some.iter().flat_map(|words| encoded(words)).collect();
        client.send(&bytes);
        for words in some {
            let reply = client.reply();
            assert!(!matches!(reply, Reply::Error(_)), "{:?}: {reply:?}", words[0]);
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// All keys of a namespace, as the server has them.
fn keys(server: &RedisServer, namespace: &str) -> Vec<String> {
    let owner = owner_of(namespace);
    let pattern = format!("1{}*", String::from_utf8_lossy(owner.as_bytes()));
    server.connect().call(&["KEYS", &pattern]).list().iter().map(Reply::text).collect()
}

/// As the server measures each of them, without leaving anything out.
fn truth(server: &RedisServer, namespace: &str) -> Usage {
    let mut connection = server.connect();
    let keys = keys(server, namespace);
    let bytes = keys
        .iter()
        .map(|key| match connection.call(&["MEMORY", "USAGE", key, "SAMPLES", "0"]) {
            Reply::Number(bytes) => u64::try_from(bytes).unwrap(),
            _ => 0,
        })
        .sum();
    Usage { bytes, keys: keys.len() as u64 }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "it never happens: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn passes(proxy: &Proxy) -> u64 {
    proxy.counts().passes(TIER).passes.load(Ordering::Acquire)
}

/// Two more passes: one that began after this did.
fn passed(proxy: &Proxy) {
    let before = passes(proxy);
    until("a pass", || passes(proxy) >= before + 2);
}
