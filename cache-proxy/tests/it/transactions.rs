//! `MULTI` and `WATCH`.

use oxwhisk_cache_proxy::ProxyConfig;

use crate::fixture::{Cache, NO_AUTH, heard, order_in, request, requests, say, say_all, until};

const QUEUED: &str = "+QUEUED|";
const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.|";

#[test]
fn a_transaction_in_one_piece_is_answered_command_by_command() {
    let Some(cache) = Cache::start("a_transaction_in_one_piece") else { return };
    let mut client = cache.client("/guest/a");
    let replies = say_all(
        &mut client,
        &[
            "SET before 1",
            "MULTI",
            "SET a 1",
            "INCR a",
            "PING",
            "ECHO x",
            "MSET b 1 c 2",
            "BLPOP none 0",
            "EXEC",
            "GET a",
        ],
    );
    let expected = "*6|+OK|:2|+PONG|$1|x|+OK|*-1|";
    assert_eq!(replies[..2], ["+OK|", "+OK|"]);
    assert!(replies[2..8].iter().all(|reply| reply == QUEUED), "{replies:?}");
    assert_eq!(replies[8..], [expected, "$1|2|"]);
    let mut server = cache.server.connect();
    for key in server.call(&["KEYS", "1*"]).list() {
        assert!(server.call(&["TTL", &key.text()]).number() > 0, "{key:?} has an expiry");
    }
}

#[test]
fn watched_keys_that_somebody_changes_end_a_transaction() {
    let Some(cache) = Cache::start("watched_keys_that_somebody_changes") else { return };
    let (mut client, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    assert_eq!(say_all(&mut client, &["WATCH k", "GET k"]), ["+OK|", "$-1|"]);
    assert_eq!(say(&mut other, "SET k theirs"), "+OK|");
    assert_eq!(say_all(&mut client, &["MULTI", "SET k mine", "EXEC"]), ["+OK|", QUEUED, "*-1|"]);
    assert_eq!(say(&mut client, "GET k"), "$6|theirs|");
    // Nobody does.
    assert_eq!(
        say_all(&mut client, &["WATCH k", "GET k", "MULTI", "SET k mine", "EXEC"]),
        ["+OK|", "$6|theirs|", "+OK|", QUEUED, "*1|+OK|"]
    );
    // Not any more.
    assert_eq!(say_all(&mut client, &["WATCH k", "UNWATCH"]), ["+OK|", "+OK|"]);
    assert_eq!(say(&mut other, "SET k theirs"), "+OK|");
    assert_eq!(say_all(&mut client, &["MULTI", "GET k", "EXEC"]), ["+OK|", QUEUED, "*1|$6|theirs|"]);
}

#[test]
fn what_is_refused_fails_the_transaction_and_nothing_after_it() {
    let Some(cache) = Cache::start("what_is_refused_fails_the_transaction") else { return };
    let mut client = cache.client("/guest/a");
    for refused in ["KEYS *", "GET", "NOSUCH x", "FLUSHDB", "SELECT 0", "SUBSCRIBE c", "HELLO 3", "AUTH x"] {
        let replies = say_all(&mut client, &["MULTI", "SET k 1", refused, "EXEC", "EXISTS k"]);
        assert_eq!(replies[..2], ["+OK|", QUEUED]);
        assert!(replies[2].starts_with('-'), "{refused}: {replies:?}");
        assert_eq!(replies[3..], [ABORTED, ":0|"], "{refused}");
    }
    // What a transaction does not queue is not out of order either.
    let replies = say_all(
        &mut client,
        &["WATCH k", "PING", "KEYS *", "CLIENT GETNAME", "NOSUCH", "GET k", "PING", "GET", "UNWATCH"],
    );
    let kinds: Vec<&str> = replies.iter().map(|reply| &reply[..2]).collect();
    assert_eq!(kinds, ["+O", "+P", "-N", "$-", "-E", "$-", "+P", "-E", "+O"], "{replies:?}");
    for (line, reply) in [
        ("EXEC", "-ERR EXEC without MULTI|"),
        ("DISCARD", "-ERR DISCARD without MULTI|"),
        ("UNWATCH", "+OK|"),
    ] {
        assert_eq!(say(&mut client, line), reply);
    }
    assert_eq!(
        say_all(&mut client, &["MULTI", "MULTI", "WATCH k", "SET k 1", "DISCARD", "EXISTS k"])[4..],
        ["+OK|", ":0|"]
    );
}

#[test]
fn what_would_undo_a_watch_is_refused_while_there_is_one() {
    let Some(cache) = Cache::start("what_would_undo_a_watch_is_refused") else { return };
    let running = cache.begin(order_in("c", "/guest/a"));
    let mut client = cache.connect();
    running.log_in(&mut client);
    let log_in = format!("AUTH {}", running.token.reveal());
    assert_eq!(say(&mut client, "SET k 1"), "+OK|");
    for line in ["FLUSHDB", "SELECT 0", "HELLO 3", &log_in] {
        assert_eq!(say(&mut client, "WATCH k"), "+OK|");
        let refused = say(&mut client, line);
        assert!(refused.contains("while keys are watched"), "{line}: {refused}");
        // The watch is still there.
        assert_eq!(say(&mut cache.client("/guest/a"), "APPEND k x")[..1], *":");
        assert_eq!(say_all(&mut client, &["MULTI", "DEL k", "EXEC"])[2], "*-1|", "{line}");
        assert!(!say(&mut client, line).starts_with('-'), "{line}");
        if line.starts_with("HELLO") {
            assert_eq!(&say(&mut client, "HELLO 2")[..1], "*");
        }
        assert_eq!(say(&mut client, "SET k 1"), "+OK|");
    }
}

#[test]
fn a_transaction_ends_with_its_activation() {
    let Some(cache) = Cache::start("a_transaction_ends_with_its_activation") else { return };
    let first = cache.begin(order_in("c", "/guest/a"));
    let mut client = cache.connect();
    first.log_in(&mut client);
    assert_eq!(say_all(&mut client, &["MULTI", "SET k 1"]), ["+OK|", QUEUED]);
    cache.end(&first);
    // It is given up at once, not with the next word of the client.
    cache.server_has("multi=1", 0);
    assert_eq!(say_all(&mut client, &["SET k 2", "EXEC"]), [NO_AUTH, NO_AUTH]);
    let _second = cache.begin(order_in("c", "/guest/a"));
    assert_eq!(say_all(&mut client, &["EXEC", "GET k"]), ["-ERR EXEC without MULTI|", "$-1|"]);
    // A watch goes as well, and the next activation comes before the client says anything.
    assert_eq!(say_all(&mut client, &["WATCH k", "MULTI", "SET k 1"])[2], QUEUED);
    let _third = cache.begin(order_in("c", "/guest/a"));
    assert_eq!(
        say_all(&mut client, &["SET l 1", "EXEC", "GET k"]),
        ["+OK|", "-ERR EXEC without MULTI|", "$-1|"]
    );
}

#[test]
fn reset_and_quit_end_a_transaction() {
    let Some(cache) = Cache::start("reset_and_quit_end_a_transaction") else { return };
    let running = cache.begin(order_in("c", "/guest/a"));
    let mut client = cache.connect();
    running.log_in(&mut client);
    assert_eq!(
        say_all(&mut client, &["MULTI", "SET k 1", "RESET", "GET k"]),
        ["+OK|", QUEUED, "+RESET|", NO_AUTH]
    );
    running.log_in(&mut client);
    assert_eq!(
        say_all(&mut client, &["EXISTS k", "WATCH k", "RESET", "GET k"]),
        [":0|", "+OK|", "+RESET|", NO_AUTH]
    );
    running.log_in(&mut client);
    assert_eq!(say_all(&mut client, &["MULTI", "SET k 1", "QUIT"]), ["+OK|", QUEUED, "+OK|"]);
    assert!(client.until_closed().is_empty());
    assert_eq!(say(&mut cache.client("/guest/a"), "EXISTS k"), ":0|");
    cache.server_has("multi=1", 0);
}

#[test]
fn connections_of_their_own_are_given_back() {
    let config = ProxyConfig { max_private: 2, max_private_idle: 1, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("connections_of_their_own_are_given_back", config) else { return };
    let mut client = cache.client("/guest/a");
    for round in 0..500 {
        let replies = say_all(
            &mut client,
            &[
                "MULTI", "INCR n", "EXEC", "WATCH n", "UNWATCH", "MULTI", "DISCARD", "WATCH n", "MULTI",
                "INCR n", "EXEC", "MULTI", "KEYS *", "EXEC", "WATCH n", "MULTI", "DISCARD",
            ],
        );
        assert_eq!(replies[2], format!("*1|:{}|", 2 * round + 1));
        assert_eq!(replies[10], format!("*1|:{}|", 2 * round + 2), "{replies:?}");
        assert_eq!(replies[13], ABORTED);
    }
    // There are no more than may be.
    let mut others = [cache.client("/guest/a"), cache.client("/guest/a"), cache.client("/guest/a")];
    assert_eq!(say(&mut others[0], "MULTI"), "+OK|");
    assert_eq!(say(&mut others[1], "WATCH k"), "+OK|");
    others[2].send(&requests(&["MULTI", "SET k 1", "EXEC"]));
    // Nothing behind it is done outside of a transaction.
    assert_eq!(others[2].until_closed(), b"-ERR too many connections of their own\r\n");
    assert_eq!(say(&mut client, "EXISTS k"), ":0|");
    drop(others);
    until("they are given back when clients are gone", || say(&mut client, "WATCH k") == "+OK|");
}

#[test]
fn a_transaction_has_a_size() {
    let config = ProxyConfig { max_request: 1 << 20, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("a_transaction_has_a_size", config) else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, "MULTI"), "+OK|");
    let large = format!("SET k {}", "x".repeat(200 << 10));
    let replies: Vec<String> = (0..10).map(|_| say(&mut client, &large)).collect();
    assert_eq!(replies[0], QUEUED);
    assert_eq!(replies[9], "-ERR the transaction is too large|");
    assert_eq!(say_all(&mut client, &["EXEC", "EXISTS k"]), [ABORTED, ":0|"]);
    assert_eq!(say_all(&mut client, &["MULTI", "SET k 1", "EXEC"])[2], "*1|+OK|");
}

#[test]
fn replies_on_a_connection_of_its_own_are_bounded_together() {
    let Some(cache) = Cache::start("replies_on_a_connection_of_its_own") else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, &format!("SET k {}", "x".repeat(10 << 20))), "+OK|");
    client.send(&requests(&["WATCH l"]));
    assert_eq!(heard(&mut client), "+OK|");
    client.send(&request("GET k").repeat(100));
    let replies: Vec<usize> = (0..100).map(|_| client.raw().len()).collect();
    assert!(replies[0] > 10 << 20);
    assert!(replies.iter().filter(|length| **length > 100).count() < 10, "{replies:?}");
    assert_eq!(
        say_all(&mut client, &["MULTI", "GET k", "GET k", "GET k", "GET k", "EXEC"])[5],
        "-ERR the replies are too large|"
    );
    assert_eq!(say_all(&mut client, &["MULTI", "STRLEN k", "EXEC"])[2], "*1|:10485760|");
}

#[test]
fn a_transaction_of_ten_thousand_commands_is_done() {
    let Some(cache) = Cache::start("a_transaction_of_ten_thousand_commands") else { return };
    let mut client = cache.client("/guest/a");
    let writer = client.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let all = [request("MULTI"), request("INCR n").repeat(10_000), request("EXEC")].concat();
        std::io::Write::write_all(&mut &writer, &all).unwrap();
    });
    assert_eq!(heard(&mut client), "+OK|");
    for _ in 0..10_000 {
        assert_eq!(heard(&mut client), QUEUED);
    }
    let replies = client.reply().list();
    assert_eq!((replies.len(), replies[9999].number()), (10_000, 10_000));
    writing.join().unwrap();
}

#[test]
fn a_transaction_that_a_flush_comes_before_is_not_lost_in_silence() {
    let Some(cache) = Cache::start("a_transaction_that_a_flush_comes_before") else { return };
    let (mut client, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    assert_eq!(say_all(&mut client, &["WATCH k", "MULTI", "SET k 1"])[2], QUEUED);
    assert_eq!(say(&mut other, "FLUSHDB"), "+OK|");
    assert_eq!(say(&mut client, "EXEC"), "*-1|");
    assert_eq!(say_all(&mut client, &["MULTI", "SET k 1"])[1], QUEUED);
    assert_eq!(say(&mut other, "FLUSHDB"), "+OK|");
    assert_eq!(say(&mut client, "EXEC"), ABORTED);
    assert_eq!(say_all(&mut client, &["MULTI", "SET k 1", "EXEC", "GET k"])[2..], ["*1|+OK|", "$1|1|"]);
}
