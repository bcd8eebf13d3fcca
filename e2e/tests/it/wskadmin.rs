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

use oxwhisk_e2e::http::Api;
use oxwhisk_e2e::process::Logs;
use oxwhisk_e2e::response::Response;
use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{Server, ServerOptions, Tenant, User, report, shared, wait};

static SERVER: OnceLock<Server> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What is administered: the server that these tests share, or one that somebody else started.
struct Place {
    api: Api,
    logs: Option<Logs>,
}

impl Place {
    fn tenant(&self, user: User) -> Tenant {
        Tenant::new(self.api.clone(), user, self.logs.clone())
    }

    /// What was changed has effect: at once on a server that is alone, soon where other controllers have to hear of it.
    #[track_caller]
    fn has_effect(&self, status: u16, call: impl Fn() -> Response) {
        if self.logs.is_some() {
            call().expect(status);
            return;
        }
        wait::until("the effect of a change", || match call() {
            response if response.status == status => Ok(()),
            response => Err(format!("{response:?}")),
        });
    }
}

/// Where these tests work. `None`, and a line that says so, when nobody says where the admin API is.
#[track_caller]
fn server(test: &str) -> Option<(Place, Wskadmin)> {
    if !shared::is_remote() {
        let (server, admin) = with_socket(test)?;
        return Some((Place { api: server.api().clone(), logs: Some(server.logs().clone()) }, admin));
    }
    match Wskadmin::remote() {
        Ok(admin) => Some((Place { api: shared::api().clone(), logs: None }, admin)),
        Err(why) => {
            report::skipped(test, &why);
            None
        }
    }
}

/// Why a test of it is left out elsewhere.
const SOCKET: &str =
    "it is about the standalone server's socket: controllers serve administrators by their address only";

/// The same for tests of the socket in the data directory, which is the standalone server's.
#[track_caller]
fn with_socket(test: &str) -> Option<(&'static Server, Wskadmin)> {
    if !shared::is_standalone(test, SOCKET) {
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
