//! What is published.

use oxwhisk_cache_proxy::Order;
use oxwhisk_core::cache::{CacheGrant, CacheScope};

use crate::fixture::{Cache, Client, NO_AUTH, heard, order_in, requests, say, say_all, until};

/// Reads so many.
fn hear(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| heard(client)).collect()
}

#[test]
fn a_client_subscribes_and_unsubscribes_in_the_older_version() {
    let Some(cache) = Cache::start("a_client_subscribes_in_the_older_version") else { return };
    let (mut client, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    client.send(&requests(&["SUBSCRIBE a b", "PSUBSCRIBE p*", "SSUBSCRIBE s"]));
    assert_eq!(
        hear(&mut client, 4),
        [
            "*3|$9|subscribe|$1|a|:1|",
            "*3|$9|subscribe|$1|b|:2|",
            "*3|$10|psubscribe|$2|p*|:3|",
            "*3|$10|ssubscribe|$1|s|:1|"
        ]
    );
    for (publish, receivers, message) in [
        ("PUBLISH a x", ":1|", "*3|$7|message|$1|a|$1|x|"),
        ("PUBLISH pq x", ":1|", "*4|$8|pmessage|$2|p*|$2|pq|$1|x|"),
        ("SPUBLISH s x", ":1|", "*3|$8|smessage|$1|s|$1|x|"),
    ] {
        assert_eq!(say(&mut other, publish), receivers);
        assert_eq!(heard(&mut client), message);
    }
    assert_eq!(say(&mut other, "PUBLISH c x"), ":0|");
    assert_eq!(say(&mut other, "PUBSUB CHANNELS")[..3], *"*2|");
    assert_eq!(say(&mut other, "PUBSUB NUMSUB a c"), "*4|$1|a|:1|$1|c|:0|");
    // In this version it does nothing else.
    for line in ["GET k", "MULTI", "BLPOP k 0", "HELLO 3", "SELECT 0", "DBSIZE", "CLIENT ID", "INFO"] {
        let reply = say(&mut client, line);
        assert!(reply.starts_with("-ERR Can't execute"), "{line}: {reply}");
    }
    assert_eq!(say_all(&mut client, &["PING", "PING x"]), ["*2|$4|pong|$0||", "*2|$4|pong|$1|x|"]);
    // Without words all of a kind, of which the order is the server's.
    client.send(&requests(&["UNSUBSCRIBE"]));
    let gone = hear(&mut client, 2);
    assert!(gone[0].ends_with(":2|") && gone[1].ends_with(":1|"), "{gone:?}");
    client.send(&requests(&["UNSUBSCRIBE", "PUNSUBSCRIBE p* q", "SUNSUBSCRIBE s"]));
    assert_eq!(
        hear(&mut client, 4),
        [
            "*3|$11|unsubscribe|$-1|:1|",
            "*3|$12|punsubscribe|$2|p*|:0|",
            "*3|$12|punsubscribe|$1|q|:0|",
            "*3|$12|sunsubscribe|$1|s|:0|"
        ]
    );
    assert_eq!(
        say_all(&mut client, &["GET k", "PING", "UNSUBSCRIBE"]),
        ["$-1|", "+PONG|", "*3|$11|unsubscribe|$-1|:0|"]
    );
    assert_eq!(say(&mut other, "PUBSUB CHANNELS"), "*0|");
}

#[test]
fn in_the_newer_version_it_does_everything_else_as_well() {
    let Some(cache) = Cache::start("in_the_newer_version_it_does_everything_else") else { return };
    let (mut client, mut other) = (cache.client("/guest/a"), cache.client("/guest/a"));
    assert_eq!(&say(&mut client, "HELLO 3")[..1], "%");
    client.send(&requests(&["SET k 1", "SUBSCRIBE a b", "GET k", "PING", "MULTI", "INCR k", "EXEC"]));
    assert_eq!(
        hear(&mut client, 8),
        [
            "+OK|",
            ">3|$9|subscribe|$1|a|:1|",
            ">3|$9|subscribe|$1|b|:2|",
            "$1|1|",
            "+PONG|",
            "+OK|",
            "+QUEUED|",
            "*1|:2|"
        ]
    );
    assert_eq!(say(&mut other, "PUBLISH a x"), ":1|");
    assert_eq!(heard(&mut client), ">3|$7|message|$1|a|$1|x|");
    // To itself: the reply and the message are one behind the other, in any order.
    client.send(&requests(&["PUBLISH b y"]));
    let mut both = hear(&mut client, 2);
    both.sort();
    assert_eq!(both, [":1|", ">3|$7|message|$1|b|$1|y|"]);
    assert_eq!(say(&mut client, "BLPOP none 0.01"), "_|");
    assert!(
        say(&mut client, "HELLO 2").contains("while there are subscriptions"),
        "what is published comes in this version"
    );
    client.send(&requests(&["UNSUBSCRIBE", "GET k"]));
    let rest = hear(&mut client, 3);
    assert!(rest[1].ends_with(":0|") && rest[2] == "$1|2|", "{rest:?}");
    assert_eq!(&say(&mut client, "HELLO 2")[..1], "*");
}

#[test]
fn messages_stay_in_their_scope() {
    let Some(cache) = Cache::start("messages_stay_in_their_scope") else { return };
    let mut clients = ["/guest/a", "/guest/b"].map(|action| (cache.client(action), cache.client(action)));
    for (client, _) in &mut clients {
        client.send(&requests(&["PSUBSCRIBE *", "SUBSCRIBE c"]));
        hear(client, 2);
    }
    for round in 0..100 {
        for (place, (_, sender)) in clients.iter_mut().enumerate() {
            assert_eq!(say(sender, &format!("PUBLISH c {round}-{place}")), ":2|");
            assert_eq!(say(sender, "PUBSUB NUMSUB c"), "*2|$1|c|:1|");
            assert_eq!(say(sender, "PUBSUB CHANNELS *"), "*1|$1|c|");
        }
        for (place, (client, _)) in clients.iter_mut().enumerate() {
            for message in hear(client, 2) {
                assert!(message.ends_with(&format!("|{round}-{place}|")), "{message}");
                assert!(message.contains("|$1|c|"), "{message}");
            }
        }
    }
    // Channels are not keys: they outlive a flush.
    assert_eq!(say(&mut clients[0].1, "FLUSHDB"), "+OK|");
    assert_eq!(say(&mut clients[0].1, "PUBLISH c x"), ":2|");
    assert_eq!(hear(&mut clients[0].0, 2).len(), 2);
}

#[test]
fn what_is_published_while_no_activation_runs_is_nobodys() {
    let Some(cache) = Cache::start("what_is_published_while_no_activation_runs") else { return };
    for version in ["2", "3"] {
        let mut running = cache.begin(order_in("c", "/guest/a"));
        let mut client = cache.connect();
        running.log_in(&mut client);
        say(&mut client, &format!("HELLO {version}"));
        assert!(say(&mut client, "SUBSCRIBE c").ends_with(":1|"));
        let (mut other, mut server) = (cache.client("/guest/a"), cache.server.connect());
        for round in 0..20 {
            cache.end(&running);
            assert_eq!(say(&mut other, "PUBLISH c lost"), ":1|");
            // What the server does next comes after the message has been sent.
            server.call(&["PING"]);
            // While the proxy answers these it has dealt with the message.
            for _ in 0..20 {
                let pong = say(&mut client, "PING").to_ascii_lowercase();
                assert!(pong.contains("pong|"), "{pong}");
            }
            assert_eq!(say(&mut client, "SUBSCRIBE d"), NO_AUTH);
            running = cache.begin(order_in("c", "/guest/a"));
            assert_eq!(say(&mut other, &format!("PUBLISH c {round}")), ":1|");
            let heard = heard(&mut client);
            assert!(heard.ends_with(&format!("|{round}|")), "{heard}");
        }
    }
}

#[test]
fn another_scopes_token_brings_none_of_the_former_ones_messages() {
    let Some(cache) = Cache::start("another_scopes_token_brings_none_of_the_former_ones") else { return };
    let begin = |action: &str, scope| {
        let grant = CacheGrant { scope, ..CacheGrant::default() };
        cache.begin(Order { is_alone: false, grant, ..order_in("c", action) })
    };
    let former = begin("/guest/a", CacheScope::Namespace);
    let next = begin("/guest/a", CacheScope::Action);
    let mut client = cache.connect();
    former.log_in(&mut client);
    say(&mut client, "HELLO 3");
    assert!(say(&mut client, "SUBSCRIBE c").ends_with(":1|"));
    next.log_in(&mut client);
    cache.end(&former);
    let sender = begin("/guest/b", CacheScope::Namespace);
    let mut other = cache.connect();
    sender.log_in(&mut other);
    until("nobody listens any more", || say(&mut other, "PUBLISH c secret") == ":0|");
    assert_eq!(say(&mut client, "PING"), "+PONG|");
}

#[test]
fn a_client_that_listens_in_the_right_of_one_activation_learns_of_its_end() {
    let Some(cache) = Cache::start("a_client_that_listens_learns_of_its_end") else { return };
    let running = cache.begin(Order { is_alone: false, ..order_in("c", "/guest/a") });
    let mut client = cache.connect();
    running.log_in(&mut client);
    assert!(say(&mut client, "SUBSCRIBE c").ends_with(":1|"));
    cache.end(&running);
    assert!(client.until_closed().is_empty());
}

#[test]
fn a_client_that_listens_learns_that_the_server_is_gone() {
    let Some(mut cache) = Cache::start("a_client_that_listens_learns_that_the_server_is_gone") else {
        return;
    };
    let mut client = cache.client("/guest/a");
    assert!(say(&mut client, "SUBSCRIBE c").ends_with(":1|"));
    cache.server.kill();
    assert!(client.until_closed().is_empty());
}

#[test]
fn a_transaction_takes_no_subscriptions() {
    let Some(cache) = Cache::start("a_transaction_takes_no_subscriptions") else { return };
    let mut client = cache.client("/guest/a");
    assert!(say(&mut client, "HELLO 3").starts_with('%'));
    let replies = say_all(&mut client, &["MULTI", "SUBSCRIBE c", "EXEC", "PING"]);
    assert!(replies[1].starts_with("-NOPERM") && replies[2].starts_with("-EXECABORT"), "{replies:?}");
    assert_eq!(replies[3], "+PONG|");
}
