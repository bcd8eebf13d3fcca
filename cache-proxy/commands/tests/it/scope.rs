//! Whatever is sent, only what has the scope's prefix is touched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use oxwhisk_cache_commands::reply::strip;
use oxwhisk_cache_commands::{Asked, Bounds, Plan, Prefix, Prefixes, Request, Session, plan, rewrite};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::generator::commands;
use oxwhisk_redis_server::{Connection, RedisServer, Reply, encoded};

/// What others have; nothing may change it or show it.
const OTHERS: [(&str, &str); 3] = [("other", "secret"), ("a", "secret"), ("k1", "secret")];

/// Sends what goes to the server for these arguments; answers what the client would see.
fn run(connection: &mut Connection, arguments: &[Vec<u8>], prefixes: &Prefixes) -> Option<Vec<u8>> {
    let buffer = encoded(arguments);
    let (mut request, mut planned, mut out) = (Request::default(), Plan::default(), BytesMut::new());
    request.read(&buffer, &Bounds::default()).unwrap();
    let asked = plan(&request, &buffer, &mut planned).ok()?;
    // These wait, or need a connection of their own.
    let Asked::Forward { session: Session::Shared, replies, .. } = asked else { return None };
    rewrite(&request, &buffer, &planned, prefixes, 3600, &mut out);
    connection.send(&out);
    let reply = connection.raw();
    for _ in 0..planned.extra_replies() {
        connection.raw();
    }
    let mut seen = BytesMut::new();
    strip(replies, &reply, prefixes, &mut seen)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error} {reply:?}"));
    Some(seen.to_vec())
}

fn fill(connection: &mut Connection) {
    connection.call(&["FLUSHALL"]);
    for (key, value) in OTHERS {
        connection.call(&["SET", key, value]);
    }
}

#[test]
fn no_command_reaches_what_has_not_the_prefix() {
    let Some(server) = RedisServer::start("no_command_reaches_what_has_not_the_prefix") else { return };
    let connections = Mutex::new((server.connect(), server.connect()));
    let prefix = Prefix::of_hash([9; 16]);
    let forwarded = AtomicUsize::new(0);
    let mut runner = TestRunner::new(Config { cases: 1000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(commands(), 1..60), |sequence| {
        let mut connections = connections.lock().unwrap();
        let (user, others) = &mut *connections;
        fill(others);
        for arguments in &sequence {
            if let Some(seen) = run(user, arguments, &Prefixes::alike(prefix)) {
                forwarded.fetch_add(1, Ordering::Relaxed);
                let text = String::from_utf8_lossy(&seen);
                prop_assert!(!text.contains("secret"), "{:?} shows {:?}", shown(arguments), text);
                let own = String::from_utf8_lossy(prefix.as_bytes());
                prop_assert!(!text.contains(&*own), "{:?} shows {:?}", shown(arguments), text);
            }
        }
        for (key, value) in OTHERS {
            let there = others.call(&["GET", key]);
            prop_assert_eq!(there, Reply::Text(value.as_bytes().to_vec()), "{}", key);
        }
        for key in others.call(&["KEYS", "*"]).list() {
            let Reply::Text(key) = key else { panic!("{key:?}") };
            if OTHERS.iter().all(|(other, _)| other.as_bytes() != key) {
                prop_assert!(key.starts_with(prefix.as_bytes()), "{:?}", String::from_utf8_lossy(&key));
                // -2: its own expiry has come meanwhile.
                let left = others.call(&[b"TTL".to_vec(), key.clone()]).number();
                prop_assert!(left != -1, "{:?} has no expiry", String::from_utf8_lossy(&key));
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let forwarded = forwarded.into_inner();
    assert!(forwarded > 5000, "{forwarded} commands went to the server");
}

fn shown(arguments: &[Vec<u8>]) -> Vec<String> {
    arguments.iter().map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}
