//! The server that most tests share, and the switch to a server that already runs somewhere else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::Api;
use crate::process::Logs;
use crate::report;
use crate::server::{self, PLAIN_USERS, Server, ServerOptions};
use crate::tenant::Tenant;
use crate::users::{Roster, Special, User};

/// URL of a running server to test instead of a local process.
pub const API_VARIABLE: &str = "OXWHISK_E2E_API";
/// URL where the same server is reached without a proxy between, for tests of single bytes; that of [`API_VARIABLE`] by
/// default.
pub const WIRE_API_VARIABLE: &str = "OXWHISK_E2E_WIRE_API";
/// File with the users of that server, as `oxwhisk-e2e-users` prints it.
pub const USERS_VARIABLE: &str = "OXWHISK_E2E_USERS";

/// What the shared tests talk to.
#[derive(Debug)]
struct Target {
    api: Api,
    wire_api: Api,
    roster: Roster,
    logs: Option<Logs>,
    // Kept for its process; statics are not dropped, the reaper ends it.
    server: Option<Server>,
}

static TARGET: OnceLock<Result<Target, String>> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Whether the tests talk to a server that somebody else started.
pub fn is_remote() -> bool {
    std::env::var_os(API_VARIABLE).is_some()
}

/// A namespace that no other test of this run uses; it is empty.
#[track_caller]
pub fn tenant() -> Tenant {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let Some(user) = target().roster.plain(n) else {
        panic!("test number {n} found no user left: make a roster with more plain users");
    };
    let tenant = tenant_of(user);
    if is_remote() {
        tenant.clear();
    }
    tenant
}

/// The namespace of a special user. Tests that share one must not disturb each other.
#[track_caller]
pub fn special(which: Special) -> Tenant {
    match target().roster.special(which) {
        Some(user) => tenant_of(user),
        None => panic!("the users file has no namespace '{}'", which.namespace()),
    }
}

/// The API of the shared server, for requests without a key.
#[track_caller]
pub fn api() -> &'static Api {
    &target().api
}

/// The same API without anything between that would change a byte.
#[track_caller]
pub fn wire_api() -> &'static Api {
    &target().wire_api
}

/// As [`tenant`], for requests to [`wire_api`].
#[track_caller]
pub fn wire_tenant() -> Tenant {
    tenant().at(wire_api().clone())
}

/// The server that most tests share; `None` when somebody else started it.
#[track_caller]
pub fn server() -> Option<&'static Server> {
    target().server.as_ref()
}

/// A server of the test's own: an `oxwhisk`, or a deployment beside the cluster that the tests run against. `None`, and a
/// line that says so, when they run against a server of which no more is known than its API.
#[track_caller]
pub fn own_server(test: &str, options: &ServerOptions) -> Option<Server> {
    can_own_server(test).then(|| Server::start(options))
}

/// Whether a test can start servers; says so when it cannot.
pub fn can_own_server(test: &str) -> bool {
    let can = server::can_start();
    if let Err(why) = &can {
        report::skipped(test, &format!("needs a server of its own, and {API_VARIABLE} is set: {why}"));
    }
    can.is_ok()
}

/// Whether the tests run against the standalone server. Otherwise a line says that this test is left out, and `why`: what it
/// is about is nowhere else.
pub fn is_standalone(test: &str, why: &str) -> bool {
    if is_remote() {
        report::skipped(test, why);
    }
    !is_remote()
}

fn tenant_of(user: &User) -> Tenant {
    let target = target();
    Tenant::new(target.api.clone(), user.clone(), target.logs.clone())
}

#[track_caller]
fn target() -> &'static Target {
    // A failed start is kept: two hundred tests should fail at once, not one time-out after the other.
    match TARGET.get_or_init(|| if is_remote() { remote() } else { local() }) {
        Ok(target) => target,
        Err(error) => panic!("{error}"),
    }
}

fn local() -> Result<Target, String> {
    let server = Server::try_start(&ServerOptions::new(Roster::generate(PLAIN_USERS)))?;
    Ok(Target {
        api: server.api().clone(),
        wire_api: server.api().clone(),
        roster: server.roster().clone(),
        logs: Some(server.logs().clone()),
        server: Some(server),
    })
}

fn remote() -> Result<Target, String> {
    let variable = |name: &str| std::env::var(name).map_err(|e| format!("{name}: {e}"));
    let file = variable(USERS_VARIABLE)?;
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{USERS_VARIABLE} '{file}': {e}"))?;
    let roster = Roster::from_json(&text).map_err(|e| format!("{USERS_VARIABLE} '{file}': {e}"))?;
    let api = Api::from_url(&variable(API_VARIABLE)?)?;
    let wire_api = match std::env::var(WIRE_API_VARIABLE) {
        Ok(url) => Api::from_url(&url)?,
        Err(_) => api.clone(),
    };
    Ok(Target { api, wire_api, roster, logs: None, server: None })
}
