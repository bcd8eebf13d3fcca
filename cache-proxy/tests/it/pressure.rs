//! Clients that ask for too much, or do not take what they asked for.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oxwhisk_cache_proxy::ProxyConfig;

use crate::fixture::{Cache, heard, request, say, say_all, until};

/// Bytes of memory that this process has at most had so far.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn whoever_asks_for_too_much_gets_an_error_and_others_notice_nothing() {
    let Some(cache) = Cache::start("whoever_asks_for_too_much") else { return };
    let mut greedy = cache.client("/guest/a");
    let item = "x".repeat(2 << 20);
    for _ in 0..100 {
        assert!(say(&mut greedy, &format!("RPUSH l {item}")).starts_with(':'));
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for number in 0..3 {
            let (cache, over) = (&cache, &over);
            threads.spawn(move || {
                let mut other = cache.client("/guest/b");
                let mut value = 0;
                while !over.load(Ordering::Relaxed) {
                    value += 1;
                    let lines = [
                        format!("SET k{number} {value}"),
                        format!("GET k{number}"),
                        "MULTI".into(),
                        "PING".into(),
                        "EXEC".into(),
                    ];
                    let replies = say_all(&mut other, &lines.each_ref().map(String::as_str));
                    assert_eq!(replies[1], format!("${}|{value}|", value.to_string().len()));
                    assert_eq!(replies[4], "*1|+PONG|");
                }
            });
        }
        for _ in 0..5 {
            // 200 MB, in the three ways that there are.
            assert_eq!(say(&mut greedy, "LRANGE l 0 -1"), "-ERR the replies are too large|");
            let replies = say_all(&mut greedy, &["MULTI", "LRANGE l 0 -1", "EXEC", "LLEN l"]);
            assert_eq!(replies[2..], ["-ERR the replies are too large|", ":100|"]);
        }
        let replies = say_all(&mut greedy, &["LINDEX l 0", "PING"]);
        assert_eq!((replies[0].len(), replies[1].as_str()), ((2 << 20) + 10, "+PONG|"));
        over.store(true, Ordering::Relaxed);
    });
    // The proxy is in this process, as are other tests.
    assert!(peak() < 1 << 30, "{} bytes", peak());
}

#[test]
fn a_client_that_does_not_read_is_given_up_and_others_are_served() {
    let config = ProxyConfig { write_timeout: Duration::from_millis(300), ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("a_client_that_does_not_read", config) else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, &format!("SET k {}", "x".repeat(1 << 20))), "+OK|");
    let mut slow = cache.client("/guest/a");
    slow.send(&request("GET k").repeat(30));
    // One that writes without end, too.
    let endless = cache.client("/guest/a");
    let mut writer = endless.stream().try_clone().unwrap();
    let all = request("ECHO xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        .repeat(1000);
    let writing = std::thread::spawn(move || while writer.write_all(&all).is_ok() {});
    until("both are given up", || {
        assert_eq!(say(&mut client, "PING"), "+PONG|");
        assert_eq!(say(&mut client, "STRLEN k"), ":1048576|");
        cache.proxy.counts().connections.load(Ordering::Acquire) == 1
    });
    writing.join().unwrap();
    assert_eq!(cache.proxy.counts().held.load(Ordering::Acquire), 0);
    drop((slow, endless));
}

#[test]
fn what_clients_do_not_take_has_a_bound_for_all_together() {
    let config = ProxyConfig { max_held: 4 << 20, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("what_clients_do_not_take", config) else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, &format!("SET k {}", "x".repeat(3 << 20))), "+OK|");
    for _ in 0..10 {
        assert_eq!(client.call(&["GET", "k"]).text().len(), 3 << 20);
        // What is too much is an error, however it is asked for, and nothing of it is left behind.
        assert_eq!(say(&mut client, "MGET k k"), "-ERR the replies are too large|");
        assert_eq!(
            say_all(&mut client, &["MULTI", "MGET k k", "EXEC", "PING"])[2..],
            ["-ERR the replies are too large|", "+PONG|"]
        );
    }
    until("all of it is taken", || cache.proxy.counts().held.load(Ordering::Acquire) == 0);
    // The same for requests that are not all there.
    let mut others: Vec<_> = (0..3).map(|_| cache.client("/guest/a")).collect();
    let part = [b"*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$3145728\r\n".to_vec(), vec![b'x'; 2 << 20]].concat();
    for other in &mut others {
        let mut writer = other.stream().try_clone().unwrap();
        // It may be sent away before it has written all of it.
        let _ = writer.write_all(&part);
    }
    until("somebody is sent away", || cache.proxy.counts().connections.load(Ordering::Acquire) < 4);
    drop(others);
    until("the rest goes", || cache.proxy.counts().held.load(Ordering::Acquire) == 0);
    assert_eq!(say(&mut client, "PING"), "+PONG|");
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    let config = ProxyConfig { max_private: 4, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("clients_that_come_and_go", config) else { return };
    for round in 0..300 {
        let mut client = cache.client("/guest/a");
        match round % 5 {
            0 => client.send(&request("BLPOP none 0")),
            1 => drop(say_all(&mut client, &["MULTI", "SET k 1"])),
            2 => drop(say(&mut client, "SUBSCRIBE c")),
            3 => client.send(&request("GET k").repeat(100)),
            _ => client.send(b"*3\r\n$3\r\nSET\r\n$1"),
        }
    }
    until("all are gone", || cache.proxy.counts().connections.load(Ordering::Acquire) == 0);
    cache.server_has("flags=b", 0);
    let mut client = cache.client("/guest/a");
    until("there is room for transactions", || say(&mut client, "WATCH k") == "+OK|");
    assert_eq!(say_all(&mut client, &["MULTI", "EXEC"])[1], "*0|");
    client.send(&request("BLPOP none 0.01"));
    assert_eq!(heard(&mut client), "*-1|");
}

#[test]
fn a_few_bytes_do_not_keep_the_server_busy() {
    let Some(cache) = Cache::start("a_few_bytes_do_not_keep_the_server_busy") else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, "SADD s x"), ":1|");
    let text = "-NOPERM at most 10000 elements can be asked for at once, where the same may come again|";
    assert_eq!(say(&mut client, "SRANDMEMBER s -2000000000"), text);
    assert_eq!(say(&mut client, "srandmember s -2"), "*2|$1|x|$1|x|");
    let replies = say_all(&mut client, &["MULTI", "ZRANDMEMBER z -10001", "EXEC"]);
    assert_eq!(replies[1], text);
}

#[test]
fn connections_that_show_nothing_keep_nobody_else_out() {
    let config = ProxyConfig { max_strangers: 3, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with("connections_that_show_nothing", config) else { return };
    let mut known = cache.client("/guest/a");
    let strangers: Vec<_> = (0..3).map(|_| cache.connect()).collect();
    let mut refused = cache.connect();
    assert_eq!(heard(&mut refused), "-ERR max number of clients reached|");
    // One that has shown something is not among them, until it is nobody again.
    assert_eq!(say(&mut known, "PING"), "+PONG|");
    assert_eq!(say(&mut known, "RESET"), "+RESET|");
    until("it is one too many", || cache.proxy.counts().connections.load(Ordering::Acquire) == 3);
    drop(strangers);
    until("they are gone", || cache.proxy.counts().connections.load(Ordering::Acquire) == 0);
    assert_eq!(say(&mut cache.client("/guest/a"), "PING"), "+PONG|");
}
