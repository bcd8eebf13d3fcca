//! Every key has an expiry that is not too late.

use oxwhisk_core::cache::CacheBudget;
use oxwhisk_redis_server::RedisServer;

use super::*;
use crate::fixture::Cache;

#[test]
fn keys_without_an_expiry_get_one_and_late_ones_are_cut() {
    let config = ProxyConfig {
        key_expiry: Duration::from_secs(3600),
        max_key_expiry: Duration::from_secs(86_400),
        ..often()
    };
    let test = "keys_without_an_expiry_get_one_and_late_ones_are_cut";
    let Some(Cache { proxy, server }) = Cache::start_with(test, config) else { return };
    let mut one = client(&proxy, ONE, CacheBudget::default());
    assert_eq!(one.call(&["SET", "seen", "v", "EX", "100"]).text(), "OK");
    let prefix = keys(&server, ONE)[0].strip_suffix("seen").unwrap().to_owned();
    let mut behind = server.connect();
    let own = |name: &str| format!("{prefix}{name}");
    behind.call(&["SET", &own("none"), "v"]);
    behind.call(&["RPUSH", &own("list"), "v"]);
    // As a client may ask for, too.
    assert_eq!(one.call(&["SET", "late", "v", "EX", "8640000"]).text(), "OK");
    behind.call(&["SET", "of-somebody-else", "v"]);
    behind.call(&["SET", "0ours", "v"]);
    let mut ttl = |name: &str| behind.call(&["TTL", &own(name)]).number();
    until("all have one", || ["none", "list", "late"].iter().all(|name| (1..=86_400).contains(&ttl(name))));
    assert!((3000..=3600).contains(&ttl("none")) && (3000..=3600).contains(&ttl("list")));
    assert!((86_000..=86_400).contains(&ttl("late")));
    assert!(ttl("seen") <= 100);
    until("they are counted", || proxy.counts().keys_given_an_expiry.load(Ordering::Relaxed) == 3);
    passed(&proxy);
    assert_eq!(proxy.counts().keys_given_an_expiry.load(Ordering::Relaxed), 3);
    // What is not the cache's is let alone.
    for other in ["of-somebody-else", "0ours"] {
        assert_eq!(server.connect().call(&["TTL", other]).number(), -1);
    }
    assert_eq!(one.call(&["GET", "none"]).text(), "v");
}

#[test]
fn a_server_that_was_away_is_swept_again() {
    let Some(mut server) = RedisServer::start("a_server_that_was_away_is_swept_again") else { return };
    // So slow that a pass is under way.
    let mut config = often();
    config.sweep.percent = 1;
    config.sweep.percent_at_most = 1;
    let proxy = proxy(&server, config);
    let mut one = client(&proxy, ONE, CacheBudget::default());
    let set: Vec<_> = (0..5000).map(|n| words(&["SET", &format!("k:{n}"), "v"])).collect();
    pipeline(&mut one, &set);
    let account = account(&proxy, ONE);
    passed(&proxy);
    assert_eq!(account.usage(TIER).keys, 5000);
    server.kill();
    until("it is noticed", || proxy.counts().local.is_sweeper.load(Ordering::Relaxed) == 0);
    server.start_again();
    until("it is back", || one.call(&["SET", "k", "v"]).text() == "OK");
    until("what is there is counted", || account.usage(TIER).keys == 1);
    assert_eq!(account.usage(TIER).bytes.abs_diff(truth(&server, ONE).bytes), 0);
}
