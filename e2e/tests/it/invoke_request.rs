//! Checklist lines 144 to 153: what may be asked of an invocation.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{action, shared};
use serde_json::{Value, json};

use crate::malformed;

const NOT_ALLOWED: &str = "Request defines parameters that are not allowed (e.g., reserved properties).";

#[test]
fn c144_a_payload_above_the_most() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let payload = json!({"x": "x".repeat(1024 * 1024)});
    let size = payload.to_string().len();
    let response = tenant.post("actions/a", &payload);
    response.expect_error(413, &format!("Request larger than allowed: {size} > 1048576 bytes."));
}

#[test]
fn c145_a_payload_is_an_object() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    for payload in [json!([1]), json!("text"), json!(5)] {
        let response = tenant.post("actions/a", &payload);
        let message = response.error_message(400);
        response.check(message.starts_with(&malformed("")), "malformed");
        response.check(message.contains("JSON object expected"), "the reason");
    }
}

#[test]
fn c146_an_empty_body_is_an_empty_payload() {
    let tenant = shared::tenant();
    let parameters = json!([{"key": "who", "value": "me"}]);
    tenant.create("a", &action::with(action::nodejs(action::ECHO), "parameters", parameters));
    let target = "actions/a?blocking=true&result=true";
    let without = tenant.request("POST", target).send().expect(200);
    assert_eq!(without.json(), json!({"who": "me"}));
    let empty_json = tenant.request("POST", target).header("Content-Type", "application/json").body("");
    assert_eq!(empty_json.send().expect(200).json(), json!({"who": "me"}));
}

#[test]
fn c147_the_payload_goes_before_the_actions_parameters() {
    let tenant = shared::tenant();
    let parameters = json!([{"key": "k", "value": 3}, {"key": "deep", "value": {"a": 1}}]);
    tenant.create("a", &action::with(action::nodejs(action::ECHO), "parameters", parameters));
    let result = |payload: Value| tenant.call_for_result("a", &payload).expect(200).json();
    assert_eq!(result(json!({})), json!({"k": 3, "deep": {"a": 1}}));
    assert_eq!(result(json!({"k": 4, "deep": {"b": 2}})), json!({"k": 4, "deep": {"b": 2}}));
    assert_eq!(result(json!({"k": null})), json!({"k": null, "deep": {"a": 1}}));
}

fn final_action(parameter: Value) -> Value {
    let body = action::with(action::nodejs(action::ECHO), "parameters", json!([parameter]));
    action::with(body, "annotations", json!([{"key": "final", "value": true}]))
}

#[test]
fn c148_a_final_parameter_cannot_be_given() {
    let tenant = shared::tenant();
    tenant.create("a", &final_action(json!({"key": "k", "value": 1})));
    tenant.post("actions/a", &json!({"k": 2})).expect_error(400, NOT_ALLOWED);
    assert_eq!(tenant.call_for_result("a", &json!({"j": 2})).expect(200).json(), json!({"k": 1, "j": 2}));
}

#[test]
fn c149_a_final_parameter_without_a_value_can_be_given() {
    let tenant = shared::tenant();
    tenant.create("a", &final_action(json!({"key": "k", "value": null})));
    assert_eq!(tenant.call_for_result("a", &json!({"k": 2})).expect(200).json(), json!({"k": 2}));
}

#[test]
fn c150_a_blocking_invocation_waits_a_minute_at_most() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs_with_timeout(action::SLEEP, 120_000));
    let response = tenant.call("a", &json!({"ms": 61_500})).expect(202);
    let id = activation_id(&response);
    assert_eq!(response.json(), json!({"activationId": id}));
    assert_eq!(tenant.record(&id)["response"]["result"], json!({"slept": 61_500}));
}

#[test]
fn c151_a_blocking_invocation_waits_as_long_as_asked() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::SLEEP));
    let response = tenant.post("actions/a?blocking=true&timeout=1000", &json!({"ms": 5_000})).expect(202);
    let id = activation_id(&response);
    assert_eq!(response.json(), json!({"activationId": id}));
    assert_eq!(tenant.record(&id)["response"]["status"], "success");
}

#[test]
fn c152_a_wait_is_some_milliseconds_up_to_a_minute() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    for timeout in ["0", "60001", "-1", "x"] {
        let response = tenant.post(&format!("actions/a?blocking=true&timeout={timeout}"), &json!({}));
        let message = response.error_message(400);
        let reason = "Timeout must be number of milliseconds up to 60000.";
        response.check(message.contains(reason), timeout);
    }
}

#[test]
fn c153_a_missing_action_cannot_be_invoked() {
    let tenant = shared::tenant();
    let message = "The requested resource does not exist.";
    tenant.post("actions/none", &json!({})).expect_error(404, message);
    tenant.post("actions/none?blocking=true", &json!({})).expect_error(404, message);
}

/// The body is read before the action is looked up, but who may not invoke it learns nothing else.
#[test]
fn c153_what_is_no_payload_is_malformed_even_for_a_missing_action() {
    let tenant = shared::tenant();
    let post = |target: &str, body: &str| {
        tenant.request("POST", target).header("Content-Type", "application/json").body(body).send()
    };
    for target in ["actions/none", "actions/none?blocking=true"] {
        for (body, reason) in [
            ("[1]", "JSON object expected"),
            ("{", "Unexpected end-of-input"),
            ("x", "Unexpected character 'x'"),
        ] {
            let response = post(target, body);
            let message = response.error_message(400);
            response.check(message.starts_with(&malformed(reason)), "the reason");
        }
        post(target, "").expect_error(404, "The requested resource does not exist.");
    }
    post("actions/nopackage/a", "{").expect_error(404, "The requested resource does not exist.");
    let target = format!("/api/v1/namespaces/{}/actions/x", shared::special(Special::Other).namespace());
    let foreign = tenant.api().request("POST", &target).auth(tenant.user());
    foreign.header("Content-Type", "application/json").body("{").send().error_message(403);
}

#[test]
fn c153_an_action_in_a_missing_package_cannot_be_invoked() {
    shared::tenant().post("actions/nopackage/a", &json!({})).expect(404).error_message(404);
}
