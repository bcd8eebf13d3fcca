//! Whatever two scopes send, neither sees or changes anything of the other.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use oxwhisk_cache_commands::{Emulation, Handling, Session, table};
use oxwhisk_cache_proxy::Order;
use oxwhisk_cache_tokens::owner_of;
use oxwhisk_redis_server::{Connection, encoded};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{Cache, Client, order, say};
use crate::generator::commands;

const UUIDS: [&str; 3] = ["uuid-a", "uuid-b", "uuid-idle"];

fn client(cache: &Cache, uuid: &str) -> Client {
    let running = cache.begin(Order { namespace_uuid: uuid.into(), ..order("/guest/a") });
    let mut client = cache.connect();
    running.log_in(&mut client);
    client
}

/// One reply comes for it, soon, and the connection goes on.
fn has_one_reply(words: &[Vec<u8>]) -> bool {
    let Ok(command) = table::look_up(words.iter().map(Vec::as_slice)) else { return true };
    match command.handling {
        Handling::Forward(forward) => {
            let waits = forward.session == Session::Blocking && !command.name.starts_with("XREAD");
            !waits && forward.session != Session::Subscription
        }
        Handling::Emulate(emulation) => !matches!(emulation, Emulation::Quit | Emulation::Reset),
        _ => true,
    }
}

/// What the server has of the one that does nothing.
fn of_the_idle(server: &mut Connection) -> BTreeMap<String, Vec<u8>> {
    let pattern = format!("1{:?}*", owner_of(UUIDS[2]));
    let keys = server.call(&["KEYS", &pattern]).list();
    keys.into_iter().map(|key| (key.text(), server.call(&["GET", &key.text()]).text().into_bytes())).collect()
}

#[test]
fn scopes_are_apart_whatever_is_sent() {
    let Some(cache) = Cache::start("scopes_are_apart_whatever_is_sent") else { return };
    let mut idle = client(&cache, UUIDS[2]);
    for key in ["a", "k1", "other"] {
        assert_eq!(say(&mut idle, &format!("SET {key} secret-idle")), "+OK|");
    }
    let connections = Mutex::new((cache.server.connect(), of_the_idle(&mut cache.server.connect())));
    let done = AtomicUsize::new(0);
    let config = Config { cases: 150, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let sequences = prop::collection::vec(
        (0..2usize, commands().prop_filter("has one reply", |words| has_one_reply(words))),
        1..80,
    );
    let outcome = TestRunner::new(config).run(&sequences, |sequence| {
        let mut connections = connections.lock().unwrap();
        let (server, before) = &mut *connections;
        let mut clients = [client(&cache, UUIDS[0]), client(&cache, UUIDS[1])];
        for (client, own) in clients.iter_mut().zip(["secret-a", "secret-b"]) {
            say(client, "FLUSHDB");
            for key in ["a", "k1", "other"] {
                say(client, &format!("SET {key} {own}"));
            }
        }
        for (who, words) in &sequence {
            clients[*who].send(&encoded(words));
            let reply = String::from_utf8_lossy(&clients[*who].raw()).into_owned();
            done.fetch_add(usize::from(!reply.starts_with('-')), Ordering::Relaxed);
            let shown = || words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>();
            for secret in [["secret-b", "secret-a"][*who], "secret-idle", "0generation", "0flushed"] {
                prop_assert!(!reply.contains(secret), "{:?} shows {:?}", shown(), reply);
            }
            for uuid in UUIDS {
                let prefix = format!("1{:?}", owner_of(uuid));
                prop_assert!(!reply.contains(&prefix), "{:?} shows {:?}", shown(), reply);
            }
        }
        prop_assert_eq!(&of_the_idle(server), before);
        let owners = UUIDS.map(|uuid| format!("1{:?}", owner_of(uuid)).into_bytes());
        for key in server.call(&["KEYS", "*"]).list() {
            let oxwhisk_redis_server::Reply::Text(key) = key else { panic!("{key:?}") };
            // The proxy's own.
            if key.starts_with(b"0") {
                continue;
            }
            let known = owners.iter().any(|owner| key.starts_with(owner));
            prop_assert!(known, "{:?} is nobody's", String::from_utf8_lossy(&key));
            // -2: its own expiry has come meanwhile.
            let left = server.call(&[b"TTL".to_vec(), key.clone()]).number();
            prop_assert!(left != -1, "{:?} has no expiry", String::from_utf8_lossy(&key));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let done = done.into_inner();
    assert!(done > 500, "{done} commands were done");
}
