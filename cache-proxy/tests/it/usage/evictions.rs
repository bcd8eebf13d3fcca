//! What is lost by whom.

use oxwhisk_core::cache::CacheBudget;
use oxwhisk_redis_server::RedisServer;

use super::*;

/// Waits until the server takes keys for unused for some seconds.
fn age<S: std::io::Read + std::io::Write>(server: &mut Connection<S>, key: &str, seconds: i64) {
    until("keys age", || server.call(&["OBJECT", "IDLETIME", key]).number() >= seconds);
}

#[test]
fn who_is_over_its_bytes_loses_its_own_oldest_keys() {
    let Some(server) = RedisServer::start("who_is_over_its_bytes_loses_its_own_oldest_keys") else { return };
    let proxy = proxy(&server, often());
    let budget = CacheBudget { bytes: Some(4 << 20), ..CacheBudget::default() };
    let (mut one, mut other) = (client(&proxy, ONE, budget), client(&proxy, OTHER, budget));
    let value = "v".repeat(10_000);
    let set = |name: &str, count: usize| -> Vec<_> {
        (0..count).map(|n| words(&["SET", &format!("{name}:{n}"), &value])).collect()
    };
    // The other's are older than all, and more than half of what it may have.
    pipeline(&mut other, &set("other", 250));
    pipeline(&mut one, &set("old", 200));
    let keys_of_one = keys(&server, ONE);
    age(&mut server.connect(), &keys_of_one[0], 3);
    pipeline(&mut one, &(0..50).map(|n| words(&["GET", &format!("old:{n}")])).collect::<Vec<_>>());
    pipeline(&mut one, &set("new", 250));
    let account = account(&proxy, ONE);
    until("it fits", || truth(&server, ONE).bytes <= 4 << 20);
    passed(&proxy);
    assert!(account.is_over(TIER).is_none(), "{:?}", account.usage(TIER));
    let mut left = |name: &str, numbers: std::ops::Range<usize>| {
        numbers.filter(|n| one.call(&["EXISTS", &format!("{name}:{n}")]).number() == 1).count()
    };
    // 450 keys of more than 10 kB are too many for 4 MiB.
    let (new, used, unused) = (left("new", 0..250), left("old", 0..50), left("old", 50..200));
    assert_eq!((new, used), (250, 50), "only what is old goes ({unused} of the oldest are left)");
    // No more than necessary, by the largest step that there is.
    assert!(truth(&server, ONE).bytes >= (4 << 20) * 9 / 10);
    assert_eq!(keys(&server, OTHER).len(), 250);
    assert_eq!(proxy.counts().keys_evicted.load(Ordering::Relaxed), 150 - unused as u64);
}

#[test]
fn who_is_over_its_keys_loses_the_oldest() {
    let Some(server) = RedisServer::start("who_is_over_its_keys_loses_the_oldest") else { return };
    let proxy = proxy(&server, often());
    let mut one = client(&proxy, ONE, CacheBudget { keys: Some(1000), ..CacheBudget::default() });
    let set = |name: &str, count: usize| -> Vec<_> {
        (0..count).map(|n| words(&["SET", &format!("{name}:{n}"), "v"])).collect()
    };
    pipeline(&mut one, &set("old", 900));
    age(&mut server.connect(), &keys(&server, ONE)[0], 3);
    pipeline(&mut one, &set("new", 600));
    until("it fits", || keys(&server, ONE).len() <= 1000);
    passed(&proxy);
    let left = keys(&server, ONE);
    assert!(left.len() >= 900, "{}", left.len());
    assert_eq!(left.iter().filter(|key| key.contains(":new:")).count(), 600);
}

#[test]
fn a_key_that_is_larger_than_the_budget_goes() {
    let Some(server) = RedisServer::start("a_key_that_is_larger_than_the_budget_goes") else { return };
    let proxy = proxy(&server, often());
    let mut one = client(&proxy, ONE, CacheBudget { bytes: Some(100_000), ..CacheBudget::default() });
    assert_eq!(one.call(&["SET", "k", &"v".repeat(200_000)]).text(), "OK");
    until("it goes", || keys(&server, ONE).is_empty());
}

#[test]
fn keys_of_a_flushed_generation_vanish() {
    let Some(server) = RedisServer::start("keys_of_a_flushed_generation_vanish") else { return };
    let proxy = proxy(&server, often());
    let (mut one, mut other) =
        (client(&proxy, ONE, CacheBudget::default()), client(&proxy, OTHER, CacheBudget::default()));
    let set: Vec<_> = (0..3000).map(|n| words(&["SET", &format!("k:{n}"), "v"])).collect();
    pipeline(&mut one, &set);
    pipeline(&mut other, &set);
    assert_eq!(one.call(&["FLUSHDB"]).text(), "OK");
    assert_eq!(one.call(&["SET", "new", "v"]).text(), "OK");
    until("they are deleted", || keys(&server, ONE).len() == 1);
    assert_eq!(one.call(&["GET", "new"]).text(), "v");
    assert_eq!(keys(&server, OTHER).len(), 3000);
    until("they are counted", || proxy.counts().keys_flushed.load(Ordering::Relaxed) == 3000);
    until("nothing of it is remembered", || server.connect().call(&["EXISTS", "0flushed"]).number() == 0);
}
