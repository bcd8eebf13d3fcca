//! Checklist lines 49, 50, 52, 53 and 55: how much a namespace may do.

use oxwhisk_e2e::{Response, Roster, Server, ServerOptions, Tenant, User, action, shared};
use serde_json::{Value, json};

/// The default of the platform.
const PER_MINUTE: usize = 60;

/// Sends until the first refusal; a new minute may begin in between, and then the count does, too. Gives what was
/// answered before, and the refusal.
#[track_caller]
fn send_until_refused(mut send: impl FnMut() -> Response) -> (Vec<Response>, Response) {
    let mut before = Vec::new();
    loop {
        let response = send();
        if response.status == 429 {
            return (before, response);
        }
        before.push(response);
        assert!(before.len() <= 10 * PER_MINUTE, "no limit in {} requests", before.len());
    }
}

#[test]
fn c049_more_invocations_a_minute_than_allowed() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let (before, refusal) = send_until_refused(|| tenant.call("a", &json!({})));
    assert!(before.len() >= PER_MINUTE && before.iter().all(|response| response.status == 200), "{before:?}");
    let refusal = refusal.expect_error(429, "Too many requests in the last minute (count: 61, allowed: 60).");
    refusal.expect_header("access-control-allow-origin", "*");
    refusal.check(refusal.header("retry-after").is_none(), "no such header");
}

#[test]
fn c053_the_throttle_comes_before_the_lookup() {
    let tenant = shared::tenant();
    let (before, refusal) = send_until_refused(|| tenant.post("actions/none", &json!({})));
    assert!(before.len() >= PER_MINUTE && before.iter().all(|response| response.status == 404), "{before:?}");
    refusal.expect_error(429, "Too many requests in the last minute (count: 61, allowed: 60).");
    // Only invocations count.
    tenant.get("actions").expect(200);
}

/// A server whose users have these limits, each its own.
fn limited(test: &str, limits: &[Value]) -> Option<Server> {
    let users = limits.iter().enumerate();
    let users: Vec<User> =
        users.map(|(n, limits)| User::new(&format!("e2e{n}")).with_limits(limits.clone())).collect();
    let roster = Roster::from_json(&json!(users).to_string()).expect("a list of users");
    shared::own_server(test, &ServerOptions::new(roster))
}

fn invoke(tenant: &Tenant) -> Response {
    tenant.post("actions/none", &json!({}))
}

#[test]
fn c050_a_namespace_may_have_limits_of_its_own() {
    let limits = json!({"invocationsPerMinute": 1});
    let Some(server) = limited("c050", &[limits]) else { return };
    let tenant = server.tenant(0);
    let (_, refusal) = send_until_refused(|| invoke(&tenant));
    refusal.expect_error(429, "Too many requests in the last minute (count: 2, allowed: 1).");
    assert_eq!(tenant.get("limits").expect(200).json()["invocationsPerMinute"], 1);
}

#[test]
fn c052_more_invocations_at_once_than_allowed() {
    let limits = json!({"concurrentInvocations": 1});
    let Some(server) = limited("c052", &[limits]) else { return };
    let tenant = server.tenant(0);
    tenant.create("a", &action::nodejs(action::SLEEP));
    let id = tenant.fire("a", &json!({"ms": 5_000}));
    tenant
        .post("actions/a", &json!({"ms": 0}))
        .expect_error(429, "Too many concurrent requests in flight (count: 1, allowed: 1).");
    tenant.record(&id);
    tenant.call("a", &json!({"ms": 0})).expect(200);
}

#[test]
fn c055_limits_are_those_of_one_namespace() {
    let (tight, wide) = (json!({"invocationsPerMinute": 1}), json!({"invocationsPerMinute": 100}));
    let Some(server) = limited("c055", &[tight, wide]) else { return };
    let (tight, wide) = (server.tenant(0), server.tenant(1));
    send_until_refused(|| invoke(&tight));
    for _ in 0..5 {
        invoke(&wide).expect(404);
    }
}
