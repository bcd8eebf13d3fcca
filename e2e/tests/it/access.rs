//! Checklist lines 33 to 48: who may do what, as far as no package is needed.

use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{action, shared};
use serde_json::{Value, json};

#[test]
fn c033_a_key_opens_one_namespace() {
    let tenant = shared::tenant();
    let response = tenant.api().get("/api/v1/namespaces").auth(tenant.user()).send().expect(200);
    assert_eq!(response.json(), json!([tenant.namespace()]));
}

#[test]
fn c034_underscore_is_the_own_namespace() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let named = format!("/api/v1/namespaces/{}/actions", tenant.namespace());
    let by_name = tenant.api().get(&named).auth(tenant.user()).send().expect(200).array();
    assert_eq!(by_name.len(), 1);
    assert_eq!(tenant.get("actions").expect(200).array(), by_name);
}

fn unauthorized(resource: &str) -> String {
    format!("The supplied authentication is not authorized to access '{resource}'.")
}

#[test]
fn c035_a_foreign_namespace_cannot_be_listed() {
    let (tenant, other) = (shared::tenant(), shared::special(Special::Other));
    let target = format!("/api/v1/namespaces/{}/actions", other.namespace());
    let response = tenant.api().get(&target).auth(tenant.user()).send();
    response.expect_error(403, &unauthorized(other.namespace()));
}

#[test]
fn c036_a_foreign_action_cannot_be_touched() {
    let (tenant, other) = (shared::tenant(), shared::special(Special::Other));
    let target = format!("/api/v1/namespaces/{}/actions/x", other.namespace());
    let message = unauthorized(&format!("{}/x", other.namespace()));
    for method in ["GET", "DELETE"] {
        tenant.api().request(method, &target).auth(tenant.user()).send().expect_error(403, &message);
    }
    for (method, body) in [("PUT", action::nodejs(action::ECHO)), ("POST", json!({}))] {
        let request = tenant.api().request(method, &target).auth(tenant.user());
        request.json(&body).send().expect_error(403, &message);
    }
}

#[test]
fn c044_a_namespace_with_a_bad_character() {
    let tenant = shared::tenant();
    let response = tenant.api().get("/api/v1/namespaces/me!/actions").auth(tenant.user()).send();
    response.expect_error(400, "The namespace contains illegal characters.");
}

#[test]
fn c045_a_namespace_that_is_too_long() {
    let tenant = shared::tenant();
    let target = format!("/api/v1/namespaces/{}/actions", "n".repeat(257));
    let response = tenant.api().get(&target).auth(tenant.user()).send();
    response.expect_error(400, "Namespace longer than allowed: 257 > 256.");
}

#[test]
fn c046_a_blocked_subject_has_no_key() {
    let blocked = shared::special(Special::Blocked);
    blocked.get("actions").expect_error(401, "The supplied authentication is invalid");
}

#[test]
fn c047_a_kind_outside_the_allow_list() {
    let tenant = shared::special(Special::OnlyNodejs20);
    let kind = tenant.default_kind("python");
    let message =
        format!("The supplied authentication is not authorized to access actions of kind '{kind}'.");
    let body = action::python("def main(args):\n    return args\n");
    tenant.put("actions/c047", &body).expect_error(403, &message);
    tenant.get("actions/c047").expect(404);
}

#[test]
fn c048_a_kind_on_the_allow_list() {
    let tenant = shared::special(Special::OnlyNodejs20);
    let body = json!({"exec": {"kind": "nodejs:20", "code": action::ECHO}});
    let stored: Value = tenant.update("c048", &body);
    assert_eq!(stored["exec"]["kind"], "nodejs:20");
}
