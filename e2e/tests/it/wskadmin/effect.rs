//! Changes hold at once.

use oxwhisk_e2e::action;
use serde_json::json;

use super::{fresh, server, user};

#[test]
fn a_created_user_invokes_and_a_blocked_one_is_refused() {
    let Some((server, admin)) = server("a_created_user_invokes_and_a_blocked_one_is_refused") else { return };
    let subject = fresh("effect");
    let line = admin.output(&["user", "create", &subject]);
    let tenant = |line: &str| server.tenant(user(&subject, &subject, line));
    let owner = tenant(&line);
    owner.create("a", &action::nodejs(action::ECHO));
    owner.call("a", &json!({})).expect(200);
    admin.output(&["user", "block", &subject]);
    server.has_effect(401, || owner.call("a", &json!({})));
    admin.output(&["user", "unblock", &subject]);
    server.has_effect(200, || owner.call("a", &json!({})));
    let renewed = admin.output(&["user", "create", &subject, "-r"]);
    server.has_effect(401, || owner.get("actions"));
    tenant(&renewed).call("a", &json!({})).expect(200);
    admin.output(&["user", "delete", &subject]);
    server.has_effect(401, || tenant(&renewed).get("actions"));
}

#[test]
fn a_wrong_key_that_was_refused_works_once_it_is_somebodys() {
    let Some((server, admin)) = server("a_wrong_key_that_was_refused_works_once_it_is_somebodys") else {
        return;
    };
    let subject = fresh("effect");
    let line = admin.output(&["user", "create", &subject, "-g"]);
    let tenant = server.tenant(user(&subject, &subject, &line));
    tenant.get("actions").expect(401);
    admin.output(&["user", "create", &subject, "-u", &line]);
    server.has_effect(200, || tenant.get("actions"));
}

#[test]
fn limits_act_at_once() {
    let Some((server, admin)) = server("limits_act_at_once") else { return };
    let subject = fresh("effect");
    let line = admin.output(&["user", "create", &subject]);
    let tenant = server.tenant(user(&subject, &subject, &line));
    tenant.create("a", &action::nodejs(action::ECHO));
    tenant.call("a", &json!({})).expect(200);
    admin.output(&["limits", "set", &subject, "--invocationsPerMinute", "0", "--allowedKinds", "python:3"]);
    server.has_effect(429, || tenant.call("a", &json!({})));
    tenant.put("actions/b", &action::nodejs(action::ECHO)).expect(403);
    let told = tenant.get("limits").expect(200).json();
    assert_eq!((&told["invocationsPerMinute"], &told["allowedKinds"]), (&json!(0), &json!(["python:3"])));
    admin.output(&["limits", "delete", &subject]);
    server.has_effect(200, || tenant.call("a", &json!({})));
}
