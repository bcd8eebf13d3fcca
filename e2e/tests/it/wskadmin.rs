//! Administration: `wskadmin` byte for byte as scripts know it, and what its changes do at once.

mod access;
mod database;
mod effect;
mod grpcurl;
mod limits;
mod operations;
mod tls;
mod user;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{Server, ServerOptions, User, report, shared};

static SERVER: OnceLock<Server> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A server that these tests share; `None`, and a line that says so, when tests run against one elsewhere.
#[track_caller]
fn server(test: &str) -> Option<(&'static Server, Wskadmin)> {
    if shared::is_remote() {
        report::skipped(test, "it needs the data directory of its server");
        return None;
    }
    let server = SERVER.get_or_init(|| Server::start(&ServerOptions::default()));
    Some((server, Wskadmin::of(server)))
}

/// A name that no other test uses.
fn fresh(what: &str) -> String {
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The user that a line `uuid:key` is.
#[track_caller]
fn user(subject: &str, namespace: &str, line: &str) -> User {
    let (uuid, key) = line.split_once(':').expect("uuid:key");
    let (uuid, key) = (uuid.to_owned(), key.to_owned());
    User {
        subject: subject.to_owned(),
        namespace: namespace.to_owned(),
        uuid,
        key,
        limits: None,
        blocked: false,
    }
}

/// CouchDB's answer for a document that is not there, as OpenWhisk's messages quote it.
const MISSING: &str = r#"{"error":"not_found","reason":"missing"}"#;
