//! Requests in whatever pieces and sizes.

use std::io::Write as _;

use oxwhisk_cache_proxy::ProxyConfig;
use oxwhisk_redis_server::encoded;

use crate::fixture::{Cache, heard, request, requests, say, say_all};

#[test]
fn a_request_may_be_cut_anywhere() {
    let Some(cache) = Cache::start("a_request_may_be_cut_anywhere") else { return };
    let mut client = cache.client("/guest/a");
    let whole =
        [requests(&["SET key value", "GET key"]), b"ECHO \"a b\"\r\n".to_vec(), requests(&["MGET key none"])]
            .concat();
    for cut in 1..whole.len() {
        client.send(&whole[..cut]);
        // Until the first part has been dealt with, as far as anybody can tell.
        std::thread::yield_now();
        client.send(&whole[cut..]);
        for reply in ["+OK|", "$5|value|", "$3|a b|", "*2|$5|value|$-1|"] {
            assert_eq!(heard(&mut client), reply, "cut at {cut}");
        }
    }
    for byte in &whole {
        client.send(&[*byte]);
    }
    for reply in ["+OK|", "$5|value|", "$3|a b|", "*2|$5|value|$-1|"] {
        assert_eq!(heard(&mut client), reply);
    }
}

#[test]
fn lines_are_requests_too() {
    let Some(cache) = Cache::start("lines_are_requests_too") else { return };
    let mut client = cache.client("/guest/a");
    client.send(b"\r\n\n  \r\nPING\r\nset 'a b' \"\\x41\\n\"\nGET \"a b\"\r\n*0\r\n*-1\r\nMULTI\r\nINCR n\r\nEXEC\r\n");
    for reply in ["+PONG|", "+OK|", "$2|A\n|", "+OK|", "+QUEUED|", "*1|:1|"] {
        assert_eq!(heard(&mut client), reply);
    }
    let mut writer = client.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&b"INCR many\r\n".repeat(10_000)).unwrap());
    for n in 1..=10_000 {
        assert_eq!(client.reply().number(), n);
    }
    writing.join().unwrap();
    client.send(b"GET 'a\r\n");
    assert_eq!(client.until_closed(), b"-ERR Protocol error: unbalanced quotes in request\r\n");
}

#[test]
fn ten_thousand_commands_in_a_row_are_answered_in_order() {
    let Some(cache) = Cache::start("ten_thousand_commands_in_a_row") else { return };
    let mut client = cache.client("/guest/a");
    let all: Vec<u8> = (0..10_000)
        .flat_map(|n| match n % 5 {
            0 => request("PING"),
            1 => request("KEYS *"),
            2 => request(&format!("ECHO {n}")),
            _ => request(&format!("GETSET k {n}")),
        })
        .collect();
    let mut writer = client.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&all).unwrap());
    let mut before = None;
    for n in 0..10_000 {
        let reply = heard(&mut client);
        let of = |n: usize| format!("${}|{n}|", n.to_string().len());
        match n % 5 {
            0 => assert_eq!(reply, "+PONG|"),
            1 => assert!(reply.starts_with("-NOPERM"), "{reply}"),
            2 => assert_eq!(reply, of(n)),
            _ => {
                assert_eq!(reply, before.map_or_else(|| "$-1|".to_owned(), of));
                before = Some(n);
            }
        }
    }
    writing.join().unwrap();
}

#[test]
fn large_values_come_and_go() {
    let Some(cache) = Cache::start("large_values_come_and_go") else { return };
    let mut client = cache.client("/guest/a");
    let value: Vec<u8> = (0..10usize << 20).map(|n| (n * 31 % 251) as u8).collect();
    for _ in 0..3 {
        let set = encoded(&[&b"SET"[..], b"k", &value]);
        client.send(&[set, request("PING")].concat());
        assert_eq!(heard(&mut client), "+OK|");
        assert_eq!(heard(&mut client), "+PONG|");
        let reply = client.call(&["GET", "k"]);
        assert!(reply == oxwhisk_redis_server::Reply::Text(value.clone()));
    }
    let too_large = "x".repeat((16 << 20) + 1);
    assert!(say(&mut client, &format!("SET k {too_large}")).starts_with("-ERR quota exceeded: a value of"));
    assert_eq!(say(&mut client, "STRLEN k"), ":10485760|");
}

#[test]
fn a_request_that_is_too_large_ends_the_connection() {
    let config = ProxyConfig { max_request: 1 << 20, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("a_request_that_is_too_large", config) else { return };
    for (sent, expected) in [
        (format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", (1 << 20) + 1), "invalid bulk length"),
        ("*2000000\r\n".to_owned(), "invalid multibulk length"),
        (format!("*3\r\n$3\r\nSET\r\n$600000\r\n{}\r\n$600000\r\n", "k".repeat(600_000)), "too big request"),
        ("*1\r\nPING\r\n".to_owned(), "expected '$', got 'P'"),
        ("x".repeat(65 << 10), "too big inline request"),
    ] {
        let mut client = cache.client("/guest/a");
        client.send(&request("SET k 1"));
        client.send(sent.as_bytes());
        assert_eq!(heard(&mut client), "+OK|");
        let last = String::from_utf8(client.until_closed()).unwrap();
        // Where not all of it was read, the error itself may be lost with the connection.
        assert!(last.is_empty() || last == format!("-ERR Protocol error: {expected}\r\n"), "{last}");
    }
}

#[test]
fn the_version_changes_in_the_middle() {
    let Some(cache) = Cache::start("the_version_changes_in_the_middle") else { return };
    let mut client = cache.client("/guest/a");
    let replies = say_all(
        &mut client,
        &[
            "HSET h f v",
            "HGETALL h",
            "GET none",
            "HELLO 3",
            "HGETALL h",
            "GET none",
            "CLIENT GETNAME",
            "HELLO 2 SETNAME x",
            "HGETALL h",
            "CLIENT GETNAME",
            "HELLO 4",
            "GET none",
        ],
    );
    assert_eq!(replies[1..3], ["*2|$1|f|$1|v|", "$-1|"]);
    assert!(replies[3].starts_with("%7|") && replies[7].starts_with("*14|"), "{replies:?}");
    assert_eq!(replies[4..7], ["%1|$1|f|$1|v|", "_|", "_|"]);
    assert_eq!(replies[8..], ["*2|$1|f|$1|v|", "$1|x|", "-NOPROTO unsupported protocol version|", "$-1|"]);
    assert_eq!(say(&mut client, "SELECT 1"), "-ERR DB index is out of range|", "there is no other tier here");
    assert_eq!(say(&mut client, "SELECT 0"), "+OK|");
}

#[test]
fn a_client_that_quits_gets_what_it_has_asked_for_before() {
    let Some(cache) = Cache::start("a_client_that_quits") else { return };
    let mut client = cache.client("/guest/a");
    client.send(&requests(&["SET k 1", "GET k", "QUIT", "SET k 2"]));
    assert_eq!(client.until_closed(), b"+OK\r\n$1\r\n1\r\n+OK\r\n");
    assert_eq!(say(&mut cache.client("/guest/a"), "GET k"), "$1|1|");
    // One that is only done with writing.
    let mut client = cache.client("/guest/a");
    client.send(&requests(&["SET k 3", "GET k"]));
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.until_closed(), b"+OK\r\n$1\r\n3\r\n");
}
