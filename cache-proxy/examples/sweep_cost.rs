//! What it costs to walk over many small keys: how long a pass lasts, what of a processor the server takes for it, and how long
//! a client waits meanwhile.
//!
//! `cargo run --release -p oxwhisk-cache-proxy --example sweep_cost [keys]`
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use oxwhisk_cache_proxy::{Order, Proxy, ProxyConfig, Servers, SweepConfig};
use oxwhisk_cache_tokens::{ContainerId, Issue};
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_core::cache::{CacheBudget, CacheGrant};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_redis_server::{Connection, RedisServer, encoded};

fn main() {
    let keys: usize =
        std::env::args().nth(1).map_or(1_000_000, |keys| keys.parse().expect("a number of keys"));
    let Some(server) = RedisServer::start("sweep_cost") else { return };
    let never = SweepConfig { pause: Duration::from_secs(24 * 60 * 60), ..SweepConfig::default() };
    let always = SweepConfig { pause: Duration::ZERO, ..SweepConfig::default() };
    {
        let proxy = start(&server, never);
        let mut client = client(&proxy);
        for first in (0..keys).step_by(500) {
            let some: Vec<u8> = (first..first + 500)
                .flat_map(|n| encoded(&["SET", &format!("key:{n}"), "a value"]))
                .collect();
            client.send(&some);
            for _ in 0..500 {
                client.reply();
            }
        }
        // The only one, which began before there was anything.
        wait(&proxy, 1);
        let (began, before) = (Instant::now(), cpu(&server));
        std::thread::sleep(Duration::from_secs(5));
        println!("at rest: {:.1}% of a processor", share(&server, before, began));
    }
    {
        // The lease of the one before.
        server.connect().call(&["DEL", "0sweeper"]);
        let proxy = start(&server, always);
        wait(&proxy, 1);
        let (began, before) = (Instant::now(), cpu(&server));
        wait(&proxy, 2);
        let counts = &proxy.counts().local;
        println!(
            "a pass over {} keys: {:.1} s; {:.1} s of them at work, as the proxy sees it; the server takes {:.1}% of a processor",
            counts.keys.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64(),
            counts.busy_milliseconds.load(Ordering::Relaxed) as f64 / 1000.0,
            share(&server, before, began),
        );
    }
    // In turns, since whatever else the machine has to do changes.
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        server.connect().call(&["SET", "0sweeper", "nobody"]);
        measure(&start(&server, always), keys, &mut without);
        server.connect().call(&["DEL", "0sweeper"]);
        measure(&start(&server, always), keys, &mut with);
    }
    show("no pass", &mut without);
    show("during a pass", &mut with);
}

fn start(server: &RedisServer, sweep: SweepConfig) -> Proxy {
    let local = UpstreamConfig::new(Address::Unix(server.socket()), Login::default(), Protocol::Resp2);
    let servers = Servers { local: Arc::new(local), global: None };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    Proxy::start(ProxyConfig { sweep, ..ProxyConfig::default() }, &servers, &[listener.into()], 1)
        .expect("a proxy")
}

fn client(proxy: &Proxy) -> Connection<TcpStream> {
    let id = ActivationId::generate();
    let budget = CacheBudget { bytes: Some(u64::MAX), keys: Some(u64::MAX), ..CacheBudget::default() };
    let guest = EntityName::new("guest").expect("a name");
    let order = Order {
        issue: Issue::default(),
        activation_id: id,
        namespace_uuid: "11111111-2222-3333-4444-555555555555".into(),
        action: FullyQualifiedName::parse("/guest/a", &guest).expect("a name"),
        grant: CacheGrant { budget, ..CacheGrant::default() },
        container: ContainerId(id.to_string()),
        address: None,
        is_alone: true,
        lasts: Duration::from_secs(3600),
    };
    let token = proxy.control().issue(order).expect("a token");
    let stream = TcpStream::connect(proxy.addresses()[0]).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let mut client = Connection::new(stream);
    client.call(&["AUTH", &token.reveal()]);
    client
}

fn wait(proxy: &Proxy, passes: u64) -> u64 {
    loop {
        let made = proxy.counts().local.passes.load(Ordering::Acquire);
        if made >= passes {
            return made;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One request after the other, for some seconds.
fn measure(proxy: &Proxy, keys: usize, times: &mut Vec<Duration>) {
    let mut client = client(proxy);
    // Connections are made, and the pass begins.
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    let mut number = 1;
    while began.elapsed() < Duration::from_secs(3) {
        number = (number * 7919 + 1) % keys;
        let asked = Instant::now();
        client.call(&["GET", &format!("key:{number}")]);
        times.push(asked.elapsed());
    }
}

fn show(when: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
    let (median, high, highest) = (at(0.5), at(0.99), at(0.999));
    println!("{when}: {} GETs, p50 {median} µs, p99 {high} µs, p99.9 {highest} µs", times.len());
}

/// Seconds that the server has been at work.
fn cpu(server: &RedisServer) -> f64 {
    let info = server.connect().call(&["INFO", "cpu"]).text();
    let of = |name: &str| -> f64 {
        info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or_default()
    };
    of("used_cpu_user:") + of("used_cpu_sys:")
}

fn share(server: &RedisServer, before: f64, began: Instant) -> f64 {
    (cpu(server) - before) * 100.0 / began.elapsed().as_secs_f64()
}
