//! Transactions in a scope of a server, beside the same ones on a server that the client has for itself.

use std::sync::Mutex;

use bytes::BytesMut;
use oxwhisk_cache_commands::{Asked, Bounds, Plan, Prefix, Prefixes, Request, plan, rewrite};
use oxwhisk_cache_session::{Sent, Transaction, about_transactions};
use oxwhisk_redis_server::{Connection, RedisServer, encoded};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A client of a scope, over a connection of its own.
struct Scoped {
    connection: Connection,
    transaction: Transaction,
    prefixes: Prefixes,
}

impl Scoped {
    fn new(server: &RedisServer) -> Self {
        Self {
            connection: server.connect(),
            transaction: Transaction::default(),
            prefixes: Prefixes::alike(Prefix::of_hash([5; 16])),
        }
    }

    /// What the client sees, `|` for the end of a line.
    fn call(&mut self, line: &str) -> String {
        let buffer = encoded(&line.split(' ').collect::<Vec<_>>());
        let (mut request, mut planned, mut out) = (Request::default(), Plan::default(), BytesMut::new());
        request.read(&buffer, &Bounds::default()).unwrap();
        match plan(&request, &buffer, &mut planned) {
            Ok(Asked::Forward { replies, .. }) => {
                let about = about_transactions(planned.command().name);
                let sent = match about {
                    Some(Sent::Exec) => self.transaction.exec(None),
                    Some(sent) => sent,
                    None => Sent::Command(replies),
                };
                match sent {
                    Sent::Abort => self.connection.send(&encoded(&["DISCARD"])),
                    _ => {
                        rewrite(&request, &buffer, &planned, &self.prefixes, 3600, &mut out);
                        self.connection.send(&out);
                    }
                }
                let mut seen = BytesMut::new();
                for place in 0..=planned.extra_replies() {
                    let reply = self.connection.raw();
                    let of = if place == 0 { sent } else { Sent::Extra };
                    self.transaction.replied(of, &reply, &self.prefixes, &mut seen).unwrap();
                }
                readable(&seen)
            }
            Ok(Asked::Emulate(_)) => panic!("{line}: not of these tests"),
            Err(refusal) => {
                self.transaction.refused();
                format!("-{refusal}|")
            }
        }
    }
}

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "|")
}

fn alone(connection: &mut Connection, line: &str) -> String {
    connection.send(&encoded(&line.split(' ').collect::<Vec<_>>()));
    readable(&connection.raw())
}

/// Without what tells of expiries, which is where the two differ.
const LINES: [&str; 44] = [
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH a",
    "WATCH a b",
    "UNWATCH",
    "SET a 1",
    "SET b x NX",
    "SET a 2 GET",
    "INCR a",
    "INCR b",
    "GET a",
    "GET b",
    "DEL a b",
    "MSET a 1 b 2",
    "MGET a b c",
    "LPUSH l x y",
    "LPOP l",
    "LMPOP 2 a l LEFT",
    "RPUSH l 3 1 2",
    "SORT l STORE m",
    "LRANGE m 0 -1",
    "SADD s x",
    "SUNIONSTORE t s s",
    "SMEMBERS t",
    "ZADD z 1 m",
    "ZMPOP 1 z MIN",
    "RENAME a b",
    "COPY a c",
    "HSET h f 1",
    "HGETALL h",
    "XADD x 1-1 f v",
    "XGROUP CREATE x g 0 MKSTREAM",
    "TYPE l",
    "PFADD p x",
    "GET",
    "NOSUCHCOMMAND x",
    "SET a 1 WRONG",
    "SINTERCARD 2 s t",
    "EXISTS a b l m s t z h x p",
    "APPEND a x",
];

#[test]
fn a_client_cannot_tell_its_scope_from_a_server_of_its_own() {
    let test = "a_client_cannot_tell_its_scope_from_a_server_of_its_own";
    let (Some(shared), Some(own)) = (RedisServer::start(test), RedisServer::start(test)) else { return };
    let clients = Mutex::new((Scoped::new(&shared), own.connect()));
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(
        &prop::collection::vec(prop::sample::select(LINES.to_vec()), 1..40),
        |lines| {
            let mut clients = clients.lock().unwrap();
            let (scoped, alone_connection) = &mut *clients;
            // Whatever the last one left.
            for (connection, _) in [(&mut scoped.connection, 0), (&mut *alone_connection, 1)] {
                for line in ["DISCARD", "UNWATCH", "FLUSHALL"] {
                    alone(connection, line);
                }
            }
            scoped.transaction = Transaction::default();
            for line in &lines {
                let expected = alone(alone_connection, line);
                let seen = scoped.call(line);
                // The server says more of a command that it does not know.
                if line.starts_with("NOSUCH") {
                    prop_assert!(
                        expected.starts_with("-ERR unknown command")
                            && seen.starts_with("-ERR unknown command")
                    );
                } else {
                    prop_assert_eq!(seen, expected, "{} of {:?}", line, lines);
                }
            }
            Ok(())
        },
    );
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_connection_is_free_when_nothing_is_left_on_it() {
    let Some(server) = RedisServer::start("a_connection_is_free_when_nothing_is_left_on_it") else { return };
    let mut client = Scoped::new(&server);
    for (line, answer, is_over) in [
        ("WATCH a", "+OK|", false),
        ("UNWATCH", "+OK|", true),
        ("WATCH a", "+OK|", false),
        ("MULTI", "+OK|", false),
        ("MULTI", "-ERR MULTI calls can not be nested|", false),
        ("SET a 1", "+QUEUED|", false),
        ("MSET b 1 c 2", "+QUEUED|", false),
        ("TTL c", "+QUEUED|", false),
        ("EXEC", "*3|+OK|+OK|:3600|", true),
        ("EXEC", "-ERR EXEC without MULTI|", true),
        ("MULTI", "+OK|", false),
        (
            "KEYS *",
            "-NOPERM KEYS is not available in a cache: it looks at keys of everybody. Use SCAN|",
            false,
        ),
        ("SET a 2", "+QUEUED|", false),
        ("EXEC", "-EXECABORT Transaction discarded because of previous errors.|", true),
        ("GET a", "$1|1|", true),
        // Redis would find fault with it when it runs it; where its keys are, it does not say.
        ("MULTI", "+OK|", false),
        ("ZUNION 0 z", "-ERR numkeys should be greater than 0|", false),
        ("DISCARD", "+OK|", true),
    ] {
        assert_eq!((client.call(line).as_str(), client.transaction.is_over()), (answer, is_over), "{line}");
    }
    // Somebody else writes what is watched.
    client.call("WATCH a");
    client.call("MULTI");
    client.call("GET a");
    Scoped::new(&server).call("SET a 9");
    assert_eq!(client.call("EXEC"), "*-1|");
    assert!(client.transaction.is_over());
}
