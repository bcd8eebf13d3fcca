//! Checklist lines 155, 156, 159 to 163 and 170: what a record says, and what an action is told.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{action, shared};
use serde_json::{Value, json};

#[test]
fn c155_a_cold_start_is_annotated() {
    let tenant = shared::tenant();
    let stored = tenant.create("a", &action::nodejs(action::ECHO));
    let record = tenant.call("a", &json!({})).expect(200).json();
    let told = |key: &str| action::annotation(&record, key).unwrap_or(&Value::Null).clone();
    assert_eq!(told("path"), format!("{}/a", tenant.namespace()));
    assert_eq!(told("kind"), stored["exec"]["kind"]);
    assert_eq!(told("limits"), json!({"timeout": 60_000, "memory": 256, "logs": 10, "concurrency": 1}));
    assert_eq!(told("timeout"), json!(false));
    assert!(told("waitTime").is_u64(), "{record}");
    assert!(told("initTime").is_u64(), "{record}");
}

#[test]
fn c156_a_warm_start_has_no_init_time() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let cold = tenant.call("a", &json!({})).expect(200).json();
    assert!(action::annotation(&cold, "initTime").is_some(), "{cold}");
    let warm = tenant.call("a", &json!({})).expect(200).json();
    assert!(action::annotation(&warm, "initTime").is_none(), "{warm}");
    assert!(action::annotation(&warm, "waitTime").is_some(), "{warm}");
}

#[test]
fn c159_a_record_says_nothing_internal() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let record = tenant.call_and_get_record("a", &json!({}));
    assert!(record.get("updated").is_none(), "{record}");
    assert!(record["response"].get("statusCode").is_none(), "{record}");
    assert!(record.get("cause").is_none(), "{record}");
}

#[test]
fn c160_duration_is_end_less_start() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::SLEEP));
    let record = tenant.call_and_get_record("a", &json!({"ms": 50}));
    let number = |member: &str| record[member].as_u64().unwrap_or_else(|| panic!("{member} in {record}"));
    assert_eq!(number("duration"), number("end") - number("start"), "{record}");
    assert!(number("duration") >= 50, "{record}");
}

#[test]
fn the_stored_record_is_the_answered_one() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let response = tenant.call("a", &json!({"n": 1})).expect(200);
    assert_eq!(tenant.record(&activation_id(&response)), response.json());
}

#[test]
fn c161_an_action_is_told_about_its_activation() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ENVIRONMENT));
    for _ in ["cold", "warm"] {
        let request = tenant.request("POST", "actions/a?blocking=true").header("X-Request-ID", "tid-of-c161");
        let response = request.json(&json!({})).send().expect(200);
        let environment = response.json()["response"]["result"].take();
        let told = |name: &str| environment[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(told("__OW_NAMESPACE"), tenant.namespace(), "{environment}");
        assert_eq!(told("__OW_ACTION_NAME"), format!("/{}/a", tenant.namespace()));
        assert_eq!(told("__OW_ACTION_VERSION"), "0.0.1");
        assert_eq!(told("__OW_ACTIVATION_ID"), activation_id(&response));
        assert_eq!(told("__OW_TRANSACTION_ID"), "tid-of-c161");
        assert!(told("__OW_API_HOST").contains(':'), "{environment}");
        assert!(told("__OW_DEADLINE").parse::<u64>().is_ok(), "{environment}");
    }
}

const GET_OWN_LIST: &str = "
function main(args) {
    const url = process.env.__OW_API_HOST + '/api/v1/namespaces/_/actions';
    const key = 'Basic ' + Buffer.from(process.env.__OW_API_KEY).toString('base64');
    return fetch(url, {headers: {authorization: key}}).then(r => r.json()).then(list => ({names: list.map(a => a.name)}));
}";

#[test]
fn an_action_with_an_api_key_can_call_the_api() {
    let tenant = shared::tenant();
    let body = action::with(
        action::nodejs(GET_OWN_LIST),
        "annotations",
        json!([{"key": "provide-api-key", "value": true}]),
    );
    tenant.create("a", &body);
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), json!({"names": ["a"]}));
}

#[test]
fn c162_an_action_gets_the_api_key_only_if_annotated() {
    let tenant = shared::tenant();
    tenant.create("without", &action::nodejs(action::ENVIRONMENT));
    let environment = tenant.call_for_result("without", &json!({})).expect(200).json();
    assert!(environment.get("__OW_API_KEY").is_none(), "{environment}");
    let annotations = json!([{"key": "provide-api-key", "value": true}]);
    tenant.create("with", &action::with(action::nodejs(action::ENVIRONMENT), "annotations", annotations));
    let environment = tenant.call_for_result("with", &json!({})).expect(200).json();
    assert_eq!(environment["__OW_API_KEY"], tenant.user().auth(), "{environment}");
}

#[test]
fn c163_an_init_parameter_is_in_the_environment_and_not_in_the_arguments() {
    let tenant = shared::tenant();
    let parameters = json!([
        {"key": "TEXT", "value": "plain", "init": true},
        {"key": "OBJECT", "value": {"a": 1}, "init": true},
        {"key": "NUMBER", "value": 5, "init": true},
        {"key": "NOTHING", "value": null, "init": true},
        {"key": "usual", "value": 1},
    ]);
    let code = "
const atInit = ['TEXT', 'OBJECT', 'NUMBER', 'NOTHING'].map(k => process.env[k]);
function main(args) { return {atInit, args} }";
    tenant.create("a", &action::with(action::nodejs(code), "parameters", parameters));
    let result = tenant.call_for_result("a", &json!({})).expect(200).json();
    assert_eq!(result["atInit"], json!(["plain", "{\"a\":1}", "5", ""]));
    assert_eq!(result["args"], json!({"usual": 1}));
}

#[test]
fn c170_a_namespace_can_go_without_records() {
    let tenant = shared::special(Special::NoRecords);
    tenant.update("c170", &action::nodejs(action::ECHO));
    let response = tenant.call("c170", &json!({"n": 1})).expect(200);
    assert_eq!(response.json()["response"]["result"], json!({"n": 1}));
    let unstored = activation_id(&response);

    // A record that is stored all the same, because it is asked for, shows that the first one is not just late.
    let request = tenant.request("POST", "actions/c170?blocking=true").header("X-OW-EXTRA-LOGGING", "on");
    let stored = activation_id(&request.json(&json!({})).send().expect(200));
    assert_eq!(tenant.record(&stored)["activationId"], stored.as_str());
    let message = "The requested resource does not exist.";
    tenant.get(&format!("activations/{unstored}")).expect_error(404, message);
}
