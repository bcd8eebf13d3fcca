//! A server that is nearly full.

use oxwhisk_core::cache::CacheBudget;
use oxwhisk_redis_server::RedisServer;

use super::*;

const MEBIBYTE: u64 = 1 << 20;

fn fill(client: &mut Connection<TcpStream>, name: &str, mebibytes: u64) {
    let value = "v".repeat(100_000);
    let commands: Vec<_> =
        (0..mebibytes * 10).map(|n| words(&["SET", &format!("{name}:{n}"), &value])).collect();
    // What is on its way takes memory, too.
    for some in commands.chunks(10) {
        pipeline(client, some);
    }
}

#[test]
fn who_has_most_makes_room_for_others() {
    let Some(server) = RedisServer::start("who_has_most_makes_room_for_others") else { return };
    let mut config = often();
    config.sweep.max_bytes_local = Some(40 * MEBIBYTE);
    let proxy = proxy(&server, config);
    let (mut one, mut other) =
        (client(&proxy, ONE, CacheBudget::default()), client(&proxy, OTHER, CacheBudget::default()));
    fill(&mut one, "k", 34);
    passed(&proxy);
    fill(&mut other, "k", 12);
    until("all fit", || {
        let all = truth(&server, ONE).bytes + truth(&server, OTHER).bytes;
        all <= 36 * MEBIBYTE && proxy.counts().keys_evicted.load(Ordering::Relaxed) > 0
    });
    passed(&proxy);
    assert_eq!(keys(&server, OTHER).len(), 120, "it has less than its share");
    let left = truth(&server, ONE).bytes;
    assert!(left > 18 * MEBIBYTE, "only as much as is needed: {left}");
    // Who has its share is held to it when the other takes more, and no further.
    fill(&mut other, "more", 30);
    until("all fit again", || truth(&server, ONE).bytes + truth(&server, OTHER).bytes <= 36 * MEBIBYTE);
    passed(&proxy);
    for namespace in [ONE, OTHER] {
        let left = truth(&server, namespace).bytes;
        assert!(left > 14 * MEBIBYTE, "{left}");
    }
}

#[test]
fn a_server_that_refuses_writes_is_made_room_in() {
    let Some(server) = RedisServer::start("a_server_that_refuses_writes_is_made_room_in") else { return };
    let mut behind = server.connect();
    // Another one sweeps, as it seems, and does not.
    behind.call(&["SET", "0sweeper", "another"]);
    let proxy = proxy(&server, often());
    let mut one = client(&proxy, ONE, CacheBudget::default());
    fill(&mut one, "k", 20);
    behind.call(&["CONFIG", "SET", "maxmemory", "15mb"]);
    let full = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(one.call(&["SET", "k", "v"]).text(), full);
    let mut other = client(&proxy, OTHER, CacheBudget::default());
    assert_eq!(other.call(&["SET", "k", "v"]).text(), full);
    // Nobody can have that key now.
    behind.call(&["DEL", "0sweeper"]);
    until("there is room", || other.call(&["SET", "k", "v"]).text() == "OK");
    until("this one sweeps", || server.connect().call(&["EXISTS", "0sweeper"]).number() == 1);
}
