//! Several proxies of one server.

use oxwhisk_cache_tokens::Usage;
use oxwhisk_core::cache::CacheBudget;
use oxwhisk_redis_server::RedisServer;

use super::*;

fn is_sweeper(proxy: &Proxy) -> bool {
    proxy.counts().local.is_sweeper.load(Ordering::Relaxed) == 1
}

#[test]
fn one_sweeps_and_all_know_until_another_takes_over() {
    let Some(server) = RedisServer::start("one_sweeps_and_all_know_until_another_takes_over") else { return };
    let first = proxy(&server, often());
    until("it sweeps", || is_sweeper(&first));
    let second = proxy(&server, often());
    let budget = CacheBudget { bytes: Some(1 << 20), refuse_when_full: Some(true), ..CacheBudget::default() };
    let mut by_first = client(&first, ONE, budget);
    let mut by_second = client(&second, ONE, budget);
    let value = "v".repeat(100_000);
    // All of it by one, and more than is allowed by the other.
    for n in 0..8 {
        assert_eq!(by_first.call(&["SET", &format!("k:{n}"), &value]).text(), "OK");
    }
    let known = |proxy: &Proxy| account(proxy, ONE).usage(TIER);
    let truth_of_one = truth(&server, ONE);
    until("both know", || known(&first) == truth_of_one && known(&second) == truth_of_one);
    for n in 8..11 {
        by_second.call(&["SET", &format!("k:{n}"), &value]);
    }
    until("both refuse", || {
        [&mut by_first, &mut by_second]
            .into_iter()
            .all(|client| client.call(&["SET", "k", "v"]).text().starts_with("OOM"))
    });
    assert!(is_sweeper(&first) && !is_sweeper(&second) && passes(&second) == 0);
    // A namespace that the one that sweeps has never heard of is held to what the other has been told.
    let mut unheard = client(&second, OTHER, CacheBudget { keys: Some(20), ..CacheBudget::default() });
    pipeline(&mut unheard, &(0..100).map(|n| words(&["SET", &format!("k:{n}"), "v"])).collect::<Vec<_>>());
    until("it loses keys", || keys(&server, OTHER).len() <= 20);
    assert!(keys(&server, OTHER).len() >= 15);
    assert!(!is_sweeper(&second));
    first.stop();
    until("the other one sweeps", || is_sweeper(&second) && passes(&second) > 0);
    server.connect().call(&["FLUSHALL"]);
    until("it counts", || known(&second) == Usage::default());
}
