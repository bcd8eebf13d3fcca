//! What a namespace that is over its quota is told.

use oxwhisk_core::cache::CacheBudget;
use oxwhisk_redis_server::RedisServer;

use super::*;

#[test]
fn who_wants_that_gets_an_error_and_loses_nothing() {
    let Some(server) = RedisServer::start("who_wants_that_gets_an_error_and_loses_nothing") else { return };
    let proxy = proxy(&server, often());
    let budget = CacheBudget { bytes: Some(1 << 20), refuse_when_full: Some(true), ..CacheBudget::default() };
    let mut one = client(&proxy, ONE, budget);
    let value = "v".repeat(100_000);
    let oom = "OOM command not allowed: the namespace's quota of 1048576 bytes in the cache is used up";
    let mut written = 0;
    loop {
        match one.call(&["SET", &format!("k:{written}"), &value]) {
            Reply::Status(_) => written += 1,
            error => {
                assert_eq!(error, Reply::Error(oom.to_owned()));
                break;
            }
        }
    }
    passed(&proxy);
    assert_eq!(keys(&server, ONE).len(), written);
    assert_eq!(proxy.counts().keys_evicted.load(Ordering::Relaxed), 0);
    assert_eq!(one.call(&["GET", "k:0"]).text(), value, "it may read");
    // Who deletes may write again, soon.
    for n in 0..written {
        until("it may delete", || one.call(&["DEL", &format!("k:{n}")]) != Reply::Error(oom.to_owned()));
    }
    until("it may write", || one.call(&["SET", "k", "v"]).text() == "OK");
}

#[test]
fn keys_are_refused_in_the_same_manner() {
    let Some(server) = RedisServer::start("keys_are_refused_in_the_same_manner") else { return };
    let proxy = proxy(&server, often());
    let budget = CacheBudget { keys: Some(10), refuse_when_full: Some(true), ..CacheBudget::default() };
    let mut one = client(&proxy, ONE, budget);
    pipeline(&mut one, &(0..20).map(|n| words(&["SET", &format!("k:{n}"), "v"])).collect::<Vec<_>>());
    until("it is refused", || {
        one.call(&["SET", "k:0", "v"]).text()
            == "OOM command not allowed: the namespace's quota of 10 keys in the cache is used up"
    });
    assert_eq!(keys(&server, ONE).len(), 20);
}

#[test]
fn commands_a_second_connections_and_values_are_bounded() {
    let Some(server) = RedisServer::start("commands_a_second_connections_and_values_are_bounded") else {
        return;
    };
    let proxy = proxy(&server, often());
    let budget = CacheBudget {
        operations_per_second: Some(5),
        connections: Some(1),
        value_bytes: Some(100),
        ..CacheBudget::default()
    };
    let mut one = client(&proxy, ONE, budget);
    assert_eq!(
        one.call(&["SET", "k", &"v".repeat(101)]).text(),
        "ERR quota exceeded: a value of 101 bytes, and 100 are allowed"
    );
    let many: Vec<u8> = (0..50).flat_map(|_| encoded(&["GET", "k"])).collect();
    one.send(&many);
    let replies: Vec<_> = (0..50).map(|_| one.reply()).collect();
    let over = Reply::Error("ERR quota exceeded: 5 commands a second".to_owned());
    assert!(replies.contains(&over));
    assert!(replies.iter().all(|reply| *reply == over || *reply == Reply::Null));
    until("time goes by", || one.call(&["GET", "k"]) == Reply::Null);
    let token = proxy.control().issue(order_of(ONE, budget)).unwrap();
    let mut second = connect(&proxy);
    assert_eq!(second.call(&["AUTH", &token.reveal()]).text(), "ERR quota exceeded: 1 connections");
    let mut of_another = client(&proxy, OTHER, budget);
    assert_eq!(of_another.call(&["GET", "k"]), Reply::Null);
    drop(one);
    until("there is room", || connect(&proxy).call(&["AUTH", &token.reveal()]).text() == "OK");
}
