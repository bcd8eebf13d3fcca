//! Commands that wait.

use std::time::Duration;

use oxwhisk_cache_proxy::{Order, ProxyConfig};

use crate::fixture::{Cache, NO_AUTH, heard, order, order_in, request, requests, say, say_all, until};

const OVER: &str = "-NOAUTH the activation has ended|";

#[test]
fn whoever_waits_is_woken_by_another_client_and_what_came_behind_is_done_afterwards() {
    let Some(cache) = Cache::start("whoever_waits_is_woken_by_another_client") else { return };
    let (mut waits, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    waits.send(&requests(&["SET before 1", "BLPOP k l 0", "SET after 1", "PING"]));
    assert_eq!(heard(&mut waits), "+OK|", "what came before does not wait");
    cache.server_has("flags=b", 1);
    // While it waits, in two pieces.
    let (first, second) = (request("GET after"), request("ECHO last"));
    waits.send(&first);
    waits.send(&second[..7]);
    assert_eq!(say(&mut other, "EXISTS after"), ":0|");
    waits.send(&second[7..]);
    assert_eq!(say(&mut other, "RPUSH l x"), ":1|");
    for reply in ["*2|$1|l|$1|x|", "+OK|", "+PONG|", "$1|1|", "$4|last|"] {
        assert_eq!(heard(&mut waits), reply);
    }
    // Cut in the middle by the reply.
    waits.send(&request("BLPOP k 0"));
    cache.server_has("flags=b", 1);
    waits.send(&second[..7]);
    assert_eq!(say(&mut other, "RPUSH k x"), ":1|");
    assert_eq!(heard(&mut waits), "*2|$1|k|$1|x|");
    waits.send(&second[7..]);
    assert_eq!(heard(&mut waits), "$4|last|");
}

#[test]
fn others_are_not_held_up() {
    let Some(cache) = Cache::start("others_are_not_held_up") else { return };
    let mut waiting: Vec<_> = (0..50).map(|_| cache.client("/guest/a")).collect();
    for client in &mut waiting {
        client.send(&request("BRPOP k 0"));
    }
    cache.server_has("flags=b", 50);
    let mut other = cache.client("/guest/a");
    for _ in 0..50 {
        assert_eq!(say(&mut other, "PING"), "+PONG|");
        assert!(say(&mut other, "RPUSH k x").starts_with(':'));
    }
    for client in &mut waiting {
        assert_eq!(heard(client), "*2|$1|k|$1|x|");
    }
}

#[test]
fn every_kind_of_wait_is_woken_and_shows_its_own_names() {
    let Some(cache) = Cache::start("every_kind_of_wait_is_woken") else { return };
    let (mut waits, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    assert_eq!(say(&mut other, "XGROUP CREATE s g $ MKSTREAM"), "+OK|");
    for (waiting, cmd, waking, resp2, resp3) in [
        ("BLMPOP 0 2 k l LEFT", "blmpop", "RPUSH l x", "*2|$1|l|*1|$1|x|", ""),
        ("BZPOPMIN z 0", "bzpopmin", "ZADD z 1 m", "*3|$1|z|$1|m|$1|1|", "*3|$1|z|$1|m|,1|"),
        ("BZMPOP 0 1 z MAX", "bzmpop", "ZADD z 1 m", "*2|$1|z|*1|*2|$1|m|$1|1|", "*2|$1|z|*1|*2|$1|m|,1|"),
        ("BRPOPLPUSH k moved 0", "brpoplpush", "RPUSH k x", "$1|x|", ""),
        ("BLMOVE k moved2 LEFT LEFT 0", "blmove", "RPUSH k x", "$1|x|", ""),
        (
            "XREAD BLOCK 0 STREAMS s $",
            "xread",
            "XADD s 7-1 f v",
            "*1|*2|$1|s|*1|*2|$3|7-1|*2|$1|f|$1|v|",
            "%1|$1|s|*1|*2|$3|8-1|*2|$1|f|$1|v|",
        ),
        (
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
            "xreadgroup",
            "XADD s 9-1 f v",
            "*1|*2|$1|s|*1|*2|$3|9-1|*2|$1|f|$1|v|",
            "%1|$1|s|*1|*2|$4|10-1|*2|$1|f|$1|v|",
        ),
    ] {
        for (version, expected) in [("2", resp2), ("3", if resp3.is_empty() { resp2 } else { resp3 })] {
            say(&mut waits, &format!("HELLO {version}"));
            if cmd == "xreadgroup" {
                say(&mut waits, "XGROUP SETID s g $");
            }
            waits.send(&request(waiting));
            cache.server_has("flags=b", 1);
            let waking = match version {
                "3" => waking.replace("7-1", "8-1").replace("9-1", "10-1"),
                _ => waking.to_owned(),
            };
            assert!(!say(&mut other, &waking).starts_with('-'));
            assert_eq!(heard(&mut waits), expected, "{waiting} in version {version}");
        }
    }
    // What was made by the way has an expiry.
    let mut server = cache.server.connect();
    let keys = server.call(&["KEYS", "1*moved*"]).list();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert!(server.call(&["TTL", &key.text()]).number() > 0, "{key:?}");
    }
    for (waiting, resp2, resp3) in
        [("BLPOP none 0.01", "*-1|", "_|"), ("BLMOVE none k LEFT LEFT 0.01", "*-1|", "_|")]
    {
        say(&mut waits, "HELLO 2");
        assert_eq!(say(&mut waits, waiting), resp2);
        say(&mut waits, "HELLO 3");
        assert_eq!(say(&mut waits, waiting), resp3);
    }
}

#[test]
fn a_wait_ends_with_its_activation() {
    let Some(cache) = Cache::start("a_wait_ends_with_its_activation") else { return };
    let running = cache.begin(order_in("c", "/guest/a"));
    let mut client = cache.connect();
    running.log_in(&mut client);
    client.send(&requests(&["BLPOP k 0", "SET k 1", "PING"]));
    cache.server_has("flags=b", 1);
    cache.end(&running);
    assert_eq!(heard(&mut client), OVER);
    assert_eq!(heard(&mut client), NO_AUTH, "what is behind it is not done in the right of what has ended");
    assert_eq!(heard(&mut client), "+PONG|");
    cache.server_has("flags=b", 0);
    let _next = cache.begin(order_in("c", "/guest/a"));
    assert_eq!(say(&mut client, "EXISTS k"), ":0|");
    // The next one ends it as well.
    client.send(&requests(&["BLPOP k 0", "RPUSH k mine"]));
    cache.server_has("flags=b", 1);
    let _next = cache.begin(order_in("c", "/guest/a"));
    assert_eq!(heard(&mut client), OVER);
    assert_eq!(heard(&mut client), ":1|");
}

#[test]
fn a_wait_ends_at_its_activations_deadline() {
    let config = ProxyConfig { token_slack: Duration::ZERO, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("a_wait_ends_at_its_activations_deadline", config) else { return };
    let running = cache.begin(Order { lasts: Duration::from_millis(300), ..order("/guest/a") });
    let mut client = cache.connect();
    running.log_in(&mut client);
    client.send(&requests(&["BLPOP k 0", "GET k"]));
    assert_eq!(heard(&mut client), OVER);
    assert_eq!(heard(&mut client), NO_AUTH);
}

#[test]
fn a_client_that_goes_away_leaves_nobody_waiting() {
    let config = ProxyConfig { max_private: 1, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("a_client_that_goes_away_leaves_nobody_waiting", config) else {
        return;
    };
    let mut gone = cache.client("/guest/a");
    gone.send(&request("BLPOP k 0"));
    cache.server_has("flags=b", 1);
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, "BLPOP k 0.001"), "-ERR too many connections of their own|");
    drop(gone);
    cache.server_has("flags=b", 0);
    until("its connection is free", || say(&mut client, "BLPOP k 0.001") == "*-1|");
    // Nobody takes what comes now.
    assert_eq!(say_all(&mut client, &["RPUSH k x", "LLEN k"]), [":1|", ":1|"]);
    for _ in 0..2000 {
        assert_eq!(say_all(&mut client, &["BLPOP k 0", "RPUSH k x"]), ["*2|$1|k|$1|x|", ":1|"]);
    }
}

#[test]
fn a_flush_does_not_end_a_wait() {
    let Some(cache) = Cache::start("a_flush_does_not_end_a_wait") else { return };
    let (mut waits, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    waits.send(&request("BLPOP k 0"));
    cache.server_has("flags=b", 1);
    assert_eq!(say(&mut other, "FLUSHDB"), "+OK|");
    assert_eq!(say(&mut other, "RPUSH k x"), ":1|");
    assert_eq!(heard(&mut waits), "*2|$1|k|$1|x|");
}
