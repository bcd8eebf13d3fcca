//! Changes hold at once.

use oxwhisk_e2e::{Tenant, action};
use serde_json::json;

use super::{fresh, server, user};

#[test]
fn a_created_user_invokes_and_a_blocked_one_is_refused() {
    let Some((server, admin)) = server("a_created_user_invokes_and_a_blocked_one_is_refused") else { return };
    let subject = fresh("effect");
    let line = admin.output(&["user", "create", &subject]);
    let tenant = |line: &str| {
        Tenant::new(server.api().clone(), user(&subject, &subject, line), Some(server.logs().clone()))
    };
    let owner = tenant(&line);
    owner.create("a", &action::nodejs(action::ECHO));
    owner.call("a", &json!({})).expect(200);
    admin.output(&["user", "block", &subject]);
    owner.call("a", &json!({})).expect(401);
    admin.output(&["user", "unblock", &subject]);
    owner.call("a", &json!({})).expect(200);
    let renewed = admin.output(&["user", "create", &subject, "-r"]);
    owner.get("actions").expect(401);
    tenant(&renewed).call("a", &json!({})).expect(200);
    admin.output(&["user", "delete", &subject]);
    tenant(&renewed).get("actions").expect(401);
}

#[test]
fn a_wrong_key_that_was_refused_works_once_it_is_somebodys() {
    let Some((server, admin)) = server("a_wrong_key_that_was_refused_works_once_it_is_somebodys") else {
        return;
    };
    let subject = fresh("effect");
    let line = admin.output(&["user", "create", &subject, "-g"]);
    let tenant =
        Tenant::new(server.api().clone(), user(&subject, &subject, &line), Some(server.logs().clone()));
    tenant.get("actions").expect(401);
    admin.output(&["user", "create", &subject, "-u", &line]);
    tenant.get("actions").expect(200);
}

#[test]
fn limits_act_at_once() {
    let Some((server, admin)) = server("limits_act_at_once") else { return };
    let subject = fresh("effect");
    let line = admin.output(&["user", "create", &subject]);
    let tenant =
        Tenant::new(server.api().clone(), user(&subject, &subject, &line), Some(server.logs().clone()));
    tenant.create("a", &action::nodejs(action::ECHO));
    tenant.call("a", &json!({})).expect(200);
    admin.output(&["limits", "set", &subject, "--invocationsPerMinute", "0", "--allowedKinds", "python:3"]);
    tenant.call("a", &json!({})).expect(429);
    tenant.put("actions/b", &action::nodejs(action::ECHO)).expect(403);
    let told = tenant.get("limits").expect(200).json();
    assert_eq!((&told["invocationsPerMinute"], &told["allowedKinds"]), (&json!(0), &json!(["python:3"])));
    admin.output(&["limits", "delete", &subject]);
    tenant.call("a", &json!({})).expect(200);
}
