//! Invocations, and how they end.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{Response, Roster, ServerOptions, Tenant, action, shared};
use serde_json::{Value, json};

use super::{as_cli, exit_code_of, shapes};

/// `--blocking`, that is the record, and `--result`.
const RECORD: &str = "blocking=true&result=false";
const RESULT: &str = "blocking=true&result=true";

/// Without parameters it is an empty object that is sent.
fn invoke(tenant: &Tenant, query: &str, parameters: &Value) -> Response {
    as_cli(tenant, "POST", &format!("actions/a?{query}"), Some(parameters)).send()
}

#[test]
fn invoke_reads_the_activation_id_from_the_body() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    for query in ["blocking=false&result=false", RECORD] {
        let response = invoke(&tenant, query, &json!({}));
        let id = activation_id(&response);
        assert_eq!(response.json()["activationId"], id.as_str(), "{query}");
    }
    let accepted = invoke(&tenant, "blocking=false&result=false", &json!({})).expect(202).json();
    assert_eq!(accepted.as_object().map(serde_json::Map::len), Some(1), "{accepted}");
}

#[test]
fn a_record_says_that_it_is_a_success() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let sent = json!({"text": "&<>\u{2028}«é", "n": 1.5, "big": 9_007_199_254_740_991_u64, "none": null});
    let record = shapes::activation(invoke(&tenant, RECORD, &sent).expect(200).json());
    assert_eq!((&record["response"]["success"], &record["response"]["result"]), (&json!(true), &sent));
    assert_eq!(invoke(&tenant, RESULT, &sent).expect(200).json(), sent);
    // A result that looks like a failed record is one only if it is asked for as a record.
    let sly = json!({"response": {"success": false, "status": "x"}});
    assert_eq!(invoke(&tenant, RESULT, &sly).expect(200).json(), sly);
}

/// The exit code is 246, and what is shown is the record or the error alone; a `code` beside the error would make
/// it a failure of the server.
#[test]
fn c304_an_application_error_has_no_code_member() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    for error in [json!("x"), json!(502), json!(true), json!({"msg": "y", "code": 7})] {
        let sent = json!({"error": error, "code": 5});
        let record = invoke(&tenant, RECORD, &sent).expect(502).json();
        assert!(record.get("code").is_none() && record.get("error").is_none(), "{record}");
        let record = shapes::activation(record);
        assert_eq!(record["response"]["status"], "application error");
        assert_eq!(record["response"]["result"], json!({"error": error}));
        let result = invoke(&tenant, RESULT, &sent).expect(502);
        assert_eq!((exit_code_of(result.status), result.json()), (246, json!({"error": error})));
    }
}

#[test]
fn c304_a_developer_error_is_told_like_an_application_error() {
    let tenant = shared::tenant();
    for body in [
        action::nodejs(""),
        action::nodejs("function main() { process.exit(1) }"),
        json!({"exec": {"kind": "blackbox", "image": "someone/something"}}),
    ] {
        tenant.update("a", &body);
        let record = shapes::activation(invoke(&tenant, RECORD, &json!({})).expect(502).json());
        assert_eq!(record["response"]["status"], "action developer error");
        assert!(record.get("code").is_none() && record.get("error").is_none(), "{record}");
        let result = invoke(&tenant, RESULT, &json!({})).expect(502).json();
        assert_eq!(result, record["response"]["result"]);
        assert!(result["error"].is_string() && result.get("code").is_none(), "{result}");
    }
}

/// The exit code is the status itself, and the text names the activation.
#[test]
fn c304_a_wait_that_expired_is_202_with_an_id() {
    let wait = ("CONFIG_whisk_controller_activation_maxWaitForBlockingActivation", "1 second");
    let options = ServerOptions::new(Roster::generate(1)).env(wait.0, wait.1);
    let Some(server) = shared::own_server("c304_a_wait_that_expired_is_202_with_an_id", &options) else {
        return;
    };
    let tenant = server.tenant(0);
    tenant.create("a", &action::nodejs(action::SLEEP));
    for query in [RECORD, RESULT] {
        let accepted = invoke(&tenant, query, &json!({"ms": 3_000})).expect(202);
        assert_eq!(accepted.json(), json!({"activationId": activation_id(&accepted)}));
    }
}
