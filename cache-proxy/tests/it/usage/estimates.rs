//! How much a namespace has.

use oxwhisk_cache_tokens::Usage;
use oxwhisk_core::cache::CacheBudget;
use oxwhisk_redis_server::RedisServer;

use super::*;

/// No budget is in the way.
const FREE: CacheBudget = CacheBudget {
    bytes: Some(u64::MAX),
    keys: Some(u64::MAX),
    value_bytes: None,
    operations_per_second: None,
    connections: None,
    refuse_when_full: None,
};

fn is_within_a_tenth(usage: Usage, truth: Usage) -> bool {
    usage.keys == truth.keys && usage.bytes.abs_diff(truth.bytes) * 10 <= truth.bytes
}

/// Writes, and compares what is counted with what the server has.
fn holds_for(test: &str, commands: &[Vec<String>]) {
    let Some(server) = RedisServer::start(test) else { return };
    let proxy = proxy(&server, often());
    pipeline(&mut client(&proxy, ONE, FREE), commands);
    let (account, truth) = (account(&proxy, ONE), truth(&server, ONE));
    assert!(truth.keys > 0);
    passed(&proxy);
    let usage = account.usage(TIER);
    assert!(is_within_a_tenth(usage, truth), "{usage:?} of {truth:?}");
}

#[test]
fn ten_thousand_small_keys() {
    let keys: Vec<_> =
        (0..10_000).map(|n| words(&["SET", &format!("key:{n}"), &"v".repeat(10 + n % 50)])).collect();
    holds_for("ten_thousand_small_keys", &keys);
}

#[test]
fn a_hundred_keys_of_a_megabyte() {
    let value = "v".repeat(1 << 20);
    let keys: Vec<_> = (0..100).map(|n| words(&["SET", &format!("key:{n}"), &value])).collect();
    holds_for("a_hundred_keys_of_a_megabyte", &keys);
}

#[test]
fn few_huge_keys_among_many_small_ones() {
    let value = "v".repeat(8 << 20);
    let keys: Vec<_> = (0..20_000)
        .map(|n| words(&["SET", &format!("key:{n}"), if n % 4000 == 17 { &value } else { "v" }]))
        .collect();
    holds_for("few_huge_keys_among_many_small_ones", &keys);
}

#[test]
fn values_of_many_parts_of_very_different_sizes() {
    let mut commands = Vec::new();
    for n in 0..200_usize {
        // From a few to some thousands, of a few bytes but for every hundredth.
        let parts = 3 + (n * n) / 10;
        let large = "x".repeat(20_000);
        let part = |at: usize| if at % 100 == 99 { format!("{at}{large}") } else { format!("part-{at}") };
        let (hash, list, set, sorted) =
            (format!("hash:{n}"), format!("list:{n}"), format!("set:{n}"), format!("sorted:{n}"));
        for first in (0..parts).step_by(200) {
            let some: Vec<usize> = (first..parts.min(first + 200)).collect();
            let with = |name: &str, key: &str, each: &dyn Fn(usize) -> Vec<String>| {
                let mut command = words(&[name, key]);
                command.extend(some.iter().flat_map(|at| each(*at)));
                command
            };
            commands.push(match n % 4 {
                0 => with("HSET", &hash, &|at| vec![format!("field-{at}"), part(at)]),
                1 => with("RPUSH", &list, &|at| vec![part(at)]),
                2 => with("SADD", &set, &|at| vec![part(at)]),
                _ => with("ZADD", &sorted, &|at| vec![at.to_string(), part(at)]),
            });
        }
    }
    holds_for("values_of_many_parts_of_very_different_sizes", &commands);
}

#[test]
fn two_namespaces_are_never_charged_for_each_other() {
    let Some(server) = RedisServer::start("two_namespaces_are_never_charged_for_each_other") else { return };
    let proxy = proxy(&server, often());
    let (mut one, mut other) = (client(&proxy, ONE, FREE), client(&proxy, OTHER, FREE));
    let value = "v".repeat(1000);
    let ones: Vec<_> = (0..2000).map(|n| words(&["SET", &format!("k:{n}"), &value])).collect();
    let others: Vec<_> = (0..50).map(|n| words(&["SET", &format!("k:{n}"), "v"])).collect();
    pipeline(&mut one, &ones);
    pipeline(&mut other, &others);
    // Of nobody.
    server.connect().call(&["SET", "session:42", &value, "EX", "1000"]);
    let truths = [truth(&server, ONE), truth(&server, OTHER)];
    passed(&proxy);
    let of = |namespace| account(&proxy, namespace).usage(TIER);
    assert!(is_within_a_tenth(of(ONE), truths[0]), "{:?}", of(ONE));
    assert!(is_within_a_tenth(of(OTHER), truths[1]), "{:?}", of(OTHER));
    assert_eq!(proxy.counts().local.unknown_keys.load(Ordering::Relaxed), 1);
    let doomed: Vec<_> = (0..2000).map(|n| words(&["DEL", &format!("k:{n}")])).collect();
    pipeline(&mut one, &doomed);
    until("nothing is nothing", || of(ONE) == Usage::default());
    assert!(is_within_a_tenth(of(OTHER), truths[1]));
}

#[test]
fn names_of_keys_may_be_large() {
    let Some(server) = RedisServer::start("names_of_keys_may_be_large") else { return };
    let proxy = proxy(&server, often());
    let mut client = client(&proxy, ONE, FREE);
    // All names together are more than may be replied at once.
    let name = "k".repeat(4 << 20);
    for n in 0..24 {
        assert_eq!(client.call(&["SET", &format!("{name}{n}"), "v"]).text(), "OK");
    }
    let account = account(&proxy, ONE);
    until("they are counted", || {
        passes(&proxy) > 0 && account.usage(TIER).keys == 24 && account.written(TIER).bytes == 0
    });
    assert!(account.usage(TIER).bytes >= 24 * (4 << 20));
}
