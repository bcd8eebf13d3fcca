//! Who is let in, and for how long.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_cache_proxy::{Order, ProxyConfig};
use oxwhisk_cache_tokens::{ContainerId, Token};
use oxwhisk_core::cache::{CacheBudget, CacheGrant, CacheRights};

use crate::fixture::{Cache, NO_AUTH, heard, order, order_in, request, requests, say, say_all, until};

const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.|";

#[test]
fn only_tokens_that_are_alive_are_worth_something() {
    let config = ProxyConfig { token_slack: Duration::ZERO, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("only_tokens_that_are_alive", config) else { return };
    let mut client = cache.connect();
    let shown = |token: &Token| format!("AUTH {}", token.reveal());
    for line in ["AUTH", "AUTH x", "AUTH default x", &shown(&Token::generate().unwrap()), "AUTH  "] {
        assert!(say(&mut client, line).starts_with('-'), "{line}");
    }
    let running = cache.begin(order("/guest/a"));
    assert_eq!(say(&mut client, &format!("AUTH root {}", running.token.reveal())), WRONG);
    assert_eq!(say(&mut client, &format!("AUTH {}x", running.token.reveal())), WRONG);
    assert_eq!(
        say_all(&mut client, &["GET k", "PING", "HELLO 3", "DBSIZE", "SUBSCRIBE c", "MULTI", "KEYS *"])[..2],
        [NO_AUTH, NO_AUTH]
    );
    assert_eq!(say_all(&mut client, &[&shown(&running.token), "GET k"]), ["+OK|", "$-1|"]);
    assert_eq!(say(&mut client, &format!("HELLO 3 AUTH default {}", running.token.reveal()))[..3], *"%7|");
    cache.end(&running);
    assert!(!cache.proxy.control().revoke(running.id));
    assert_eq!(say(&mut cache.connect(), &shown(&running.token)), WRONG, "it was revoked");
    // It ends by itself, and that of a connection that is there as well.
    let running = cache.begin(Order { lasts: Duration::from_millis(200), ..order("/guest/a") });
    let mut client = cache.connect();
    running.log_in(&mut client);
    until("its time is over", || say(&mut client, "GET k") == NO_AUTH);
    assert_eq!(say(&mut cache.connect(), &shown(&running.token)), WRONG, "it has expired");
    until("it is forgotten", || cache.proxy.control().tokens() == 0);
}

#[test]
fn a_token_is_worth_nothing_elsewhere() {
    let Some(cache) = Cache::start("a_token_is_worth_nothing_elsewhere") else { return };
    let here = cache.begin(Order { address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), ..order("/guest/a") });
    here.log_in(&mut cache.connect());
    let there =
        cache.begin(Order { address: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))), ..order("/guest/a") });
    assert_eq!(say(&mut cache.connect(), &format!("AUTH {}", there.token.reveal())), WRONG);
}

#[test]
fn in_a_container_with_several_activations_a_connection_is_one_activations() {
    let Some(cache) = Cache::start("in_a_container_with_several_activations") else { return };
    let begin = || cache.begin(Order { is_alone: false, ..order_in("c", "/guest/a") });
    let (one, other) = (begin(), begin());
    let (mut first, mut second) = (cache.connect(), cache.connect());
    one.log_in(&mut first);
    other.log_in(&mut second);
    assert_eq!(say_all(&mut first, &["SET k 1", "WATCH k"])[0], "+OK|");
    assert_eq!(say(&mut second, "GET k"), "$1|1|");
    cache.end(&one);
    until("its connection is nobody's", || say(&mut first, "GET k") == NO_AUTH);
    assert_eq!(say(&mut second, "GET k"), "$1|1|");
    // There is no going on by itself, but with another token.
    let third = begin();
    assert_eq!(say(&mut first, "GET k"), NO_AUTH);
    third.log_in(&mut first);
    assert_eq!(say(&mut first, "GET k"), "$1|1|");
    // It holds on to the newest that it has shown.
    other.log_in(&mut first);
    cache.end(&third);
    assert_eq!(say(&mut first, "GET k"), "$1|1|");
    cache.end(&other);
    until("both are nobody's", || {
        say(&mut first, "GET k") == NO_AUTH && say(&mut second, "GET k") == NO_AUTH
    });
}

#[test]
fn a_containers_connections_end_with_it() {
    let Some(cache) = Cache::start("a_containers_connections_end_with_it") else { return };
    for is_alone in [true, false] {
        let running = cache.begin(Order { is_alone, ..order_in("c", "/guest/a") });
        let (mut idle, mut waits, mut watches) = (cache.connect(), cache.connect(), cache.connect());
        let mut listens = cache.connect();
        for client in [&mut idle, &mut waits, &mut listens, &mut watches] {
            running.log_in(client);
        }
        waits.send(&request("BLPOP k 0"));
        listens.send(&request("SUBSCRIBE c"));
        heard(&mut listens);
        assert_eq!(say(&mut watches, "WATCH k"), "+OK|");
        cache.server_has("flags=b", 1);
        cache.proxy.control().forget_container(&ContainerId("c".to_owned()));
        assert!(listens.until_closed().is_empty());
        assert_eq!(heard(&mut waits), "-NOAUTH the activation has ended|");
        if is_alone {
            for client in [&mut idle, &mut waits, &mut watches] {
                assert!(client.until_closed().is_empty());
            }
        } else {
            until("nobody's", || say(&mut idle, "GET k") == NO_AUTH);
        }
        drop((idle, waits, watches, listens));
        until("all are gone", || cache.proxy.counts().connections.load(Ordering::Acquire) == 0);
        cache.server_has("flags=b", 0);
    }
}

#[test]
fn whoever_may_read_does_not_write() {
    let Some(cache) = Cache::start("whoever_may_read_does_not_write") else { return };
    assert_eq!(say(&mut cache.client("/guest/a"), "SET k 1"), "+OK|");
    let grant = CacheGrant { rights: CacheRights::Read, ..CacheGrant::default() };
    let running = cache.begin(Order { grant, ..order("/guest/a") });
    let mut client = cache.connect();
    running.log_in(&mut client);
    for line in [
        "SET k 2",
        "DEL k",
        "FLUSHDB",
        "PUBLISH c x",
        "BLPOP k 0",
        "SORT k STORE l",
        "GETEX k PERSIST",
        "EXPIRE k 1",
    ] {
        let reply = say(&mut client, line);
        assert!(reply.starts_with("-NOPERM this action may read"), "{line}: {reply}");
    }
    let replies = say_all(&mut client, &["GET k", "MULTI", "GET k", "SET k 2", "EXEC", "SUBSCRIBE c"]);
    assert_eq!(replies[0], "$1|1|");
    assert!(replies[4].starts_with("-EXECABORT") && replies[5].ends_with(":1|"), "{replies:?}");
}

#[test]
fn a_namespace_has_so_many_connections() {
    let Some(cache) = Cache::start("a_namespace_has_so_many_connections") else { return };
    let budget = CacheBudget { connections: Some(2), ..CacheBudget::default() };
    let running =
        cache.begin(Order { grant: CacheGrant { budget, ..CacheGrant::default() }, ..order("/guest/a") });
    let mut clients = [cache.connect(), cache.connect()];
    for client in &mut clients {
        running.log_in(client);
        running.log_in(client);
    }
    let log_in = format!("AUTH {}", running.token.reveal());
    let mut third = cache.connect();
    assert_eq!(say_all(&mut third, &[&log_in, "GET k"]), ["-ERR quota exceeded: 2 connections|", NO_AUTH]);
    drop(clients);
    until("there is room", || say(&mut third, &log_in) == "+OK|");
}

#[test]
fn a_stranger_gets_little() {
    let config = ProxyConfig {
        login_timeout: Duration::from_millis(200),
        max_connections: 20,
        ..ProxyConfig::default()
    };
    let Some(cache) = Cache::start_with("a_stranger_gets_little", config) else { return };
    for large in [
        "*2\r\n$4\r\nAUTH\r\n$2000\r\n".to_owned(),
        "*17\r\n".to_owned(),
        "x".repeat(5000),
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n".to_owned(),
    ] {
        let mut client = cache.connect();
        client.send(large.as_bytes());
        let told = String::from_utf8(client.until_closed()).unwrap();
        assert!(told.is_empty() || told.starts_with("-ERR Protocol error"), "{told}");
    }
    // Whoever says nothing, or never enough, is sent away.
    let (mut silent, mut slow) = (cache.connect(), cache.connect());
    slow.send(b"*2\r\n$4\r\nAU");
    assert!(silent.until_closed().is_empty() && slow.until_closed().is_empty());
    until("all are gone", || cache.proxy.counts().connections.load(Ordering::Acquire) == 0);
    // A client that has logged in stays.
    let mut client = cache.client("/guest/a");
    let strangers: Vec<_> = (0..19).map(|_| cache.connect()).collect();
    until("they are all there", || cache.proxy.counts().connections.load(Ordering::Acquire) == 20);
    assert_eq!(cache.connect().until_closed(), b"-ERR max number of clients reached\r\n");
    for mut stranger in strangers {
        assert!(stranger.until_closed().is_empty());
    }
    assert_eq!(say(&mut client, "PING"), "+PONG|");
    assert_eq!(cache.proxy.counts().connections_refused.load(Ordering::Acquire), 1);
}

#[test]
fn what_an_activation_does_not_finish_in_time_is_not_done_for_it() {
    let Some(cache) = Cache::start("what_an_activation_does_not_finish") else { return };
    let running = cache.begin(order_in("c", "/guest/a"));
    let mut client = cache.connect();
    running.log_in(&mut client);
    let whole = request("SET k 1");
    client.send(&whole[..10]);
    assert_eq!(say(&mut cache.client("/guest/a"), "PING"), "+PONG|");
    cache.end(&running);
    client.send(&whole[10..]);
    client.send(&requests(&["GET k"]));
    assert_eq!((heard(&mut client), heard(&mut client)), (NO_AUTH.to_owned(), NO_AUTH.to_owned()));
}
