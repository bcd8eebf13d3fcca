//! Checklist lines 129 to 135 and 138: the answers to an invocation that ran.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{action, shared};
use serde_json::json;

const FAIL: &str = "function main(args) { return {error: args.error || 'x', more: 1} }";

#[test]
fn c129_a_non_blocking_invocation_is_accepted() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let response = tenant.post("actions/a", &json!({})).expect(202);
    let id = activation_id(&response);
    response.check(id.len() == 32 && id.bytes().all(|b| b"0123456789abcdef".contains(&b)), "id");
    assert_eq!(response.json(), json!({"activationId": id}));
    assert_eq!(tenant.record(&id)["response"]["status"], "success");
}

#[test]
fn c130_a_blocking_invocation_answers_the_record() {
    let tenant = shared::tenant();
    let stored = tenant.create("a", &action::nodejs("function main(a) { console.log('hi'); return a }"));
    let response = tenant.call("a", &json!({"n": 1})).expect(200);
    response.expect_header("content-type", "application/json");
    let record = response.json();
    assert_eq!(record["activationId"], activation_id(&response).as_str());
    assert_eq!(record["logs"], json!([]));
    let answer = json!({"status": "success", "success": true, "result": {"n": 1}, "size": 7});
    assert_eq!(record["response"], answer);
    assert_eq!(record["namespace"], tenant.namespace());
    assert_eq!(record["subject"], tenant.user().subject.as_str());
    assert_eq!((&record["name"], &record["version"]), (&json!("a"), &json!("0.0.1")));
    assert_eq!(record["publish"], json!(false));
    assert_eq!(action::annotation(&record, "kind"), Some(&stored["exec"]["kind"]));
}

#[test]
fn c131_result_alone() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let response = tenant.call_for_result("a", &json!({"n": [1, "ü", null]})).expect(200);
    activation_id(&response);
    assert_eq!(response.json(), json!({"n": [1, "ü", null]}));
}

#[test]
fn c132_result_means_nothing_without_blocking() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let response = tenant.post("actions/a?result=true", &json!({})).expect(202);
    assert_eq!(response.json(), json!({"activationId": activation_id(&response)}));
}

#[test]
fn c133_an_application_error_is_a_bad_gateway() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs("function main() { return {error: 'x'} }"));
    let response = tenant.call("a", &json!({})).expect(502);
    let record = response.json();
    assert_eq!(record["activationId"], activation_id(&response).as_str());
    let answer = &record["response"];
    assert_eq!((&answer["status"], &answer["success"]), (&json!("application error"), &json!(false)));
    assert_eq!(answer["result"], json!({"error": "x"}));
}

#[test]
fn c134_of_an_application_error_only_error_is_kept() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(FAIL));
    let response = tenant.call("a", &json!({"error": {"code": 7}})).expect(502);
    assert_eq!(response.json()["response"]["result"], json!({"error": {"code": 7}}));
}

#[test]
fn c135_an_application_error_as_result_alone() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(FAIL));
    let response = tenant.call_for_result("a", &json!({})).expect(502);
    activation_id(&response);
    assert_eq!(response.json(), json!({"error": "x"}));
}

#[test]
fn c138_an_array_is_always_answered_bare() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs("function main() { return [1, {two: 2}] }"));
    let response = tenant.call("a", &json!({})).expect(200);
    assert_eq!(response.json(), json!([1, {"two": 2}]));
    let record = tenant.record(response.header("x-openwhisk-activation-id").expect("an id"));
    assert_eq!(record["response"]["result"], json!([1, {"two": 2}]));
}

#[test]
fn a_python_action_runs() {
    let tenant = shared::tenant();
    tenant.create("a", &action::python("def main(args):\n    return {'sum': args['a'] + args['b']}\n"));
    let response = tenant.call_for_result("a", &json!({"a": 2, "b": 3})).expect(200);
    assert_eq!(response.json(), json!({"sum": 5}));
}

#[test]
fn a_native_action_runs() {
    let tenant = shared::tenant();
    let script = "#!/bin/sh\necho some log line\necho \"{\\\"got\\\": $1}\"\n";
    tenant.create("a", &action::native(script));
    let response = tenant.call_for_result("a", &json!({"n": 1})).expect(200);
    assert_eq!(response.json(), json!({"got": {"n": 1}}));
}

#[test]
fn an_update_is_what_runs_next() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs("function main() { return {version: 1} }"));
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), json!({"version": 1}));
    tenant.update("a", &action::nodejs("function main() { return {version: 2} }"));
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), json!({"version": 2}));
}
