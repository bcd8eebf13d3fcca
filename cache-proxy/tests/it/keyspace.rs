//! A scope as a whole.

use std::collections::HashSet;

use oxwhisk_redis_server::Reply;

use crate::fixture::{Cache, Client, connect, order, say, say_all, until};

/// All that a command with a cursor tells of.
fn scan(client: &mut Client, command: &str, options: &str) -> Vec<Reply> {
    let (mut cursor, mut all) = ("0".to_owned(), Vec::new());
    loop {
        let line = format!("{command} {cursor}{options}");
        let mut reply = client.call(&line.split(' ').collect::<Vec<_>>()).list();
        all.extend(reply.pop().unwrap().list());
        cursor = reply.pop().unwrap().text();
        if cursor == "0" {
            return all;
        }
    }
}

#[test]
fn a_scan_tells_of_the_scopes_keys_and_no_others() {
    let Some(cache) = Cache::start("a_scan_tells_of_the_scopes_keys") else { return };
    let (mut client, mut other) = (cache.client("/guest/a"), cache.client("/guest/b"));
    for n in 0..500 {
        client.send(&crate::fixture::requests(&[&format!("SET k{n} 1"), &format!("RPUSH l{n} 1")]));
        other.send(&crate::fixture::request(&format!("SET other{n} 1")));
        client.reply();
        client.reply();
        other.reply();
    }
    let scanned = |client: &mut Client, options: &str| {
        scan(client, "SCAN", options).iter().map(Reply::text).collect::<HashSet<_>>()
    };
    let all = scanned(&mut client, "");
    assert_eq!(all.len(), 1000);
    assert!(all.contains("k0") && all.contains("l499"));
    assert_eq!(scanned(&mut client, " COUNT 1000000000000").len(), 1000);
    assert_eq!(scanned(&mut client, " MATCH k* COUNT 100").len(), 500);
    assert_eq!(scanned(&mut client, " MATCH *7 TYPE list").len(), 50);
    assert_eq!(scanned(&mut client, " MATCH other*").len(), 0);
    assert_eq!(scanned(&mut other, "").len(), 500);
    assert_eq!(say_all(&mut client, &["DBSIZE", "SCAN x", "SCAN 0 MATCH"])[0], ":1000|");
    assert_eq!(say(&mut other, "DBSIZE"), ":500|");
    assert_eq!(say(&mut client, "HELLO 3")[..1], *"%");
    assert_eq!(scanned(&mut client, " MATCH k*").len(), 500);
}

#[test]
fn what_is_in_a_key_is_scanned_as_it_is() {
    let Some(cache) = Cache::start("what_is_in_a_key_is_scanned_as_it_is") else { return };
    let mut client = cache.client("/guest/a");
    for n in 0..1000 {
        let lines = [format!("SADD s m{n}"), format!("HSET h f{n} v"), format!("ZADD z {n} m{n}")];
        say_all(&mut client, &lines.each_ref().map(String::as_str));
    }
    for (command, items) in [("SSCAN s", 1000), ("HSCAN h", 2000), ("ZSCAN z", 2000)] {
        assert_eq!(scan(&mut client, command, "").len(), items, "{command}");
        assert_eq!(scan(&mut client, command, " MATCH *7 COUNT 100").len(), items / 10, "{command}");
    }
}

#[test]
fn whoever_flushes_a_scope_flushes_it_for_all_of_it_and_nobody_else() {
    let Some(cache) = Cache::start("whoever_flushes_a_scope") else { return };
    let (mut one, mut same, mut other) =
        (cache.client("/guest/a"), cache.client("/guest/a"), cache.client("/guest/b"));
    for (round, flush) in ["FLUSHDB", "FLUSHALL", "FLUSHDB ASYNC", "flushall sync"].into_iter().enumerate() {
        for client in [&mut one, &mut same, &mut other] {
            assert_eq!(say(client, "SET k 1"), "+OK|");
        }
        assert_eq!(
            say_all(&mut one, &["GET k", flush, "GET k", "SET l 1", "DBSIZE"])[1..],
            ["+OK|", "$-1|", "+OK|", ":1|"]
        );
        assert_eq!(
            say_all(&mut same, &["GET k", "GET l", "DBSIZE"]),
            ["$-1|", "$1|1|", ":1|"],
            "round {round}"
        );
        assert_eq!(say(&mut other, "GET k"), "$1|1|");
    }
    assert!(say(&mut one, "FLUSHDB NOW").starts_with("-ERR syntax error"));
}

#[test]
fn another_proxy_of_the_same_server_agrees_on_what_was_flushed() {
    let Some(cache) = Cache::start("another_proxy_of_the_same_server_agrees") else { return };
    let another = cache.another();
    let mut clients = [cache.client("/guest/a"), {
        let token = another.control().issue(order("/guest/a")).unwrap();
        let mut client = connect(another.addresses()[0]);
        assert_eq!(say(&mut client, &format!("AUTH {}", token.reveal())), "+OK|");
        client
    }];
    cache.server_has("sub=1", 2);
    for round in 0..20 {
        let [flushes, sees] = match round % 2 {
            0 => clients.each_mut(),
            _ => {
                let [one, other] = clients.each_mut();
                [other, one]
            }
        };
        assert_eq!(say(flushes, &format!("SET k {round}")), "+OK|");
        let seen = format!("${}|{round}|", round.to_string().len());
        assert_eq!(say(sees, "GET k"), seen);
        // Whoever waits at the other proxy goes on waiting in the new generation.
        sees.send(&crate::fixture::request("BLPOP l 0"));
        cache.server_has("flags=b", 1);
        assert_eq!(say_all(flushes, &["FLUSHDB", "GET k", "RPUSH l x"]), ["+OK|", "$-1|", ":1|"]);
        assert_eq!(crate::fixture::heard(sees), "*2|$1|l|$1|x|");
        until("the other one sees it flushed", || say(sees, "GET k") == "$-1|");
        assert_eq!(say(sees, "SET k 1"), "+OK|");
        assert_eq!(say(flushes, "GET k"), "$1|1|");
        // Nor does word of its own flush undo anything at the one who did it.
        assert_eq!(say_all(flushes, &["MULTI", "SET k 2", "EXEC"])[2], "*1|+OK|");
    }
}

#[test]
fn clients_that_look_around_find_what_they_look_for() {
    let Some(cache) = Cache::start("clients_that_look_around") else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say_all(&mut client, &["SET k 1", "SET l 1"]), ["+OK|", "+OK|"]);
    let info = say(&mut client, "INFO");
    for wanted in ["redis_version:7.0.15|", "loading:0|", "db0:keys=2,expires=2", "connected_clients:1|"] {
        assert!(info.contains(wanted), "{wanted}: {info}");
    }
    assert!(!info.contains("config_file") && !info.contains("redis.sock"), "nothing of the server's");
    assert!(say(&mut client, "INFO keyspace").ends_with("|# Keyspace|db0:keys=2,expires=2,avg_ttl=0||"));
    let commands = client.call(&["COMMAND"]).list();
    assert!(commands.len() > 200);
    assert_eq!(client.call(&["COMMAND", "COUNT"]).number() as usize, commands.len());
    assert_eq!(client.call(&["COMMAND", "INFO", "GET"]).list().len(), 1);
    assert!(client.call(&["COMMAND", "DOCS"]).list().len() > 400);
    assert_eq!(say(&mut client, "COMMAND GETKEYS MSET a 1 b 2"), "*2|$1|a|$1|b|");
    assert_eq!(say_all(&mut client, &["CONFIG GET save", "TIME", "OBJECT ENCODING k"])[0], "*0|");
    assert_eq!(say(&mut client, "HELLO 3")[..3], *"%7|");
    assert_eq!(say(&mut client, "INFO")[..1], *"=");
    for refused in [
        "KEYS *",
        "RANDOMKEY",
        "EVAL x 0",
        "SCRIPT LOAD x",
        "CONFIG SET a b",
        "SHUTDOWN",
        "MONITOR",
        "WAIT 0 0",
        "MOVE k 1",
        "SWAPDB 0 1",
        "DEBUG OBJECT k",
        "CLIENT KILL ID 1",
        "ACL WHOAMI",
        "SAVE",
        "REPLICAOF NO ONE",
        "CLIENT TRACKING ON",
    ] {
        let reply = say(&mut client, refused);
        assert!(reply.starts_with("-NOPERM"), "{refused}: {reply}");
    }
}
