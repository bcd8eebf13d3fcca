//! A server that goes away and comes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fixture::{Cache, heard, order, request, requests, say, say_all, until};

#[test]
fn clients_are_told_that_the_server_is_away_and_go_on_when_it_is_back() {
    let Some(mut cache) =
        Cache::start_threads("clients_are_told_that_the_server_is_away", Default::default(), 2)
    else {
        return;
    };
    let (stop, rounds, errors) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let clients: Vec<_> = (0..8).map(|_| (cache.begin(order("/guest/a")), cache.connect())).collect();
    let address = cache.address();
    std::thread::scope(|threads| {
        for (number, (running, mut client)) in clients.into_iter().enumerate() {
            let (stop, rounds, errors) = (&stop, &rounds, &errors);
            threads.spawn(move || {
                running.log_in(&mut client);
                while !stop.load(Ordering::Relaxed) {
                    let value = rounds.fetch_add(1, Ordering::Relaxed);
                    let lines =
                        [format!("SET k{number} {value}"), format!("GET k{number}"), "PING".to_owned()];
                    let mut lines = lines.each_ref().map(String::as_str).to_vec();
                    if number % 2 == 1 {
                        lines = [&["MULTI"], &lines[..2], &["EXEC"], &lines[2..]].concat();
                    }
                    client.send(&requests(&lines));
                    let replies: Vec<String> = (0..lines.len())
                        .map_while(|_| client.next_raw())
                        .map(|raw| String::from_utf8_lossy(&raw).replace("\r\n", "|"))
                        .collect();
                    let own = format!("${}|{value}|", value.to_string().len());
                    if replies.len() < lines.len() {
                        // Its transaction is lost, and the connection with it.
                        let is_told = replies.last().is_none_or(|last| last.starts_with("-ERR the "));
                        assert!(number % 2 == 1 && is_told, "{replies:?}");
                        errors.fetch_add(1, Ordering::Relaxed);
                        client = crate::fixture::connect(address);
                        running.log_in(&mut client);
                        continue;
                    }
                    assert_eq!(replies.last().unwrap(), "+PONG|");
                    match replies.iter().find(|reply| reply.starts_with('-')) {
                        Some(told) => {
                            let is_known =
                                ["-ERR the cache", "-ERR the connection to the cache", "-EXECABORT"];
                            assert!(is_known.iter().any(|known| told.starts_with(known)), "{told}");
                            errors.fetch_add(1, Ordering::Relaxed);
                        }
                        None if number % 2 == 1 => assert_eq!(replies[3], format!("*2|+OK|{own}")),
                        None => {
                            assert_eq!(replies[0], "+OK|");
                            // Two threads may learn one after the other that the scope begins anew.
                            assert!(
                                replies[1] == own || errors.load(Ordering::Relaxed) > 0,
                                "{replies:?} {own}"
                            );
                        }
                    }
                }
            });
        }
        for _ in 0..3 {
            let begun = errors.load(Ordering::Relaxed);
            cache.server.kill();
            until("somebody is told", || errors.load(Ordering::Relaxed) > begun + 8);
            cache.server.start_again();
            until("all go on", || {
                let before = (rounds.load(Ordering::Relaxed), errors.load(Ordering::Relaxed));
                until("they do something", || rounds.load(Ordering::Relaxed) > before.0 + 100);
                errors.load(Ordering::Relaxed) == before.1
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    // All agree on the scope: what one writes all read.
    let (mut one, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    assert_eq!(say(&mut one, "SET agreed 1"), "+OK|");
    assert_eq!(say_all(&mut other, &["GET agreed", "FLUSHDB", "GET agreed"]), ["$1|1|", "+OK|", "$-1|"]);
    assert_eq!(say(&mut one, "GET agreed"), "$-1|");
}

#[test]
fn whoever_waits_or_is_in_a_transaction_is_told() {
    let Some(mut cache) = Cache::start("whoever_waits_or_is_in_a_transaction_is_told") else { return };
    let (mut waits, mut transacts) = (cache.client("/guest/a"), cache.client("/guest/a"));
    waits.send(&request("BLPOP k 0"));
    assert_eq!(say_all(&mut transacts, &["MULTI", "SET k 1"])[1], "+QUEUED|");
    cache.server_has("flags=b", 1);
    cache.server.kill();
    assert_eq!(heard(&mut waits), "-ERR the connection to the cache's server broke|");
    transacts.send(&request("EXEC"));
    assert_eq!(transacts.until_closed(), b"-ERR the connection to the cache's server broke\r\n");
    let mut transacts = cache.client("/guest/a");
    let away = say_all(
        &mut transacts,
        &["WATCH k", "GET k", "BLPOP k 0", "SUBSCRIBE c", "DBSIZE", "FLUSHDB", "INFO", "PING"],
    );
    assert!(away[..7].iter().all(|reply| reply.starts_with("-ERR the cache's server is away")), "{away:?}");
    assert_eq!(away[7], "+PONG|");
    cache.server.start_again();
    until("it is back", || say(&mut transacts, "DBSIZE") == ":0|");
    transacts.send(&requests(&["MULTI", "SET k 1", "EXEC"]));
    assert_eq!([heard(&mut transacts), heard(&mut transacts), heard(&mut transacts)][2], "*1|+OK|");
    assert_eq!(say_all(&mut waits, &["RPUSH l x", "BLPOP l 0"])[1], "*2|$1|l|$1|x|");
}

#[test]
fn a_server_that_has_lost_a_generation_gets_another_one() {
    let Some(mut cache) = Cache::start("a_server_that_has_lost_a_generation") else { return };
    let mut client = cache.client("/guest/a");
    assert_eq!(say(&mut client, "SET k 1"), "+OK|");
    cache.server.kill();
    cache.server.start_again();
    until("it is back", || say(&mut client, "SET k 2") == "+OK|");
    until("it is known where the scope is", || {
        let mut server = cache.server.connect();
        let generations = server.call(&["KEYS", "0generation:*"]).list().len();
        say(&mut client, "SET k 2");
        generations == 1
    });
    assert_eq!(say(&mut client, "GET k"), "$1|2|");
    // Whoever comes later finds the same.
    let another = cache.another();
    let token = another.control().issue(order("/guest/a")).unwrap();
    let mut later = crate::fixture::connect(another.addresses()[0]);
    assert_eq!(say_all(&mut later, &[&format!("AUTH {}", token.reveal()), "GET k"])[1], "$1|2|");
}
