//! What the official command line needs from the server, request by request as it sends them. These hold on
//! every machine; `wsk.rs` drives the real program where there is one.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{Request, Response, Tenant, action, shared, wait};
use serde_json::{Value, json};

/// A request with the headers and the body form of the command line: JSON that ends in a newline.
fn as_cli(tenant: &Tenant, method: &str, rest: &str, body: Option<&Value>) -> Request {
    let request =
        tenant.request(method, rest).header("User-Agent", "OpenWhisk-CLI/1.0 (not set) linux amd64");
    match body {
        None => request,
        Some(body) => request.header("Content-Type", "application/json").body(format!("{body}\n")),
    }
}

/// The exit code of the command line for a failed request: it needs `error` and `code`, else it reports a broken
/// connection.
#[track_caller]
fn exit_code(response: &Response) -> i32 {
    assert!(response.status >= 400, "not an error\n{response:?}");
    response.error_message(response.status);
    (i32::from(response.status) - 256).rem_euclid(256)
}

#[test]
fn action_create_update_get_delete() {
    let tenant = shared::tenant();
    let body =
        json!({"namespace": "_", "name": "hello", "exec": {"kind": "nodejs:default", "code": action::ECHO}});
    let created =
        as_cli(&tenant, "PUT", "actions/hello?overwrite=false", Some(&body)).send().expect(200).json();
    assert_eq!((&created["name"], &created["version"]), (&json!("hello"), &json!("0.0.1")));
    // An update reads the action first, which may be missing.
    as_cli(&tenant, "GET", "actions/new?code=false", None).send().expect(404).error_message(404);
    as_cli(&tenant, "GET", "actions/hello?code=false", None).send().expect(200);
    let updated = as_cli(&tenant, "PUT", "actions/hello?overwrite=true", Some(&body)).send().expect(200);
    assert_eq!(updated.json()["version"], "0.0.2");
    // `--save` writes what this answers, by kind and binary.
    let saved = as_cli(&tenant, "GET", "actions/hello?code=true", None).send().expect(200).json();
    assert_eq!((&saved["exec"]["binary"], &saved["exec"]["code"]), (&json!(false), &json!(action::ECHO)));
    assert!(saved["exec"]["kind"].as_str().is_some_and(|kind| kind.starts_with("nodejs:")), "{saved}");
    as_cli(&tenant, "DELETE", "actions/hello", None).send().expect(200);
}

#[test]
fn web_no_is_a_merge_of_annotations() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let web = |on: bool| {
        json!({"annotations": [
            {"key": "web-export", "value": on}, {"key": "raw-http", "value": false}, {"key": "final", "value": on},
        ]})
    };
    tenant.update("a", &web(true));
    let stored = tenant.update("a", &web(false));
    assert_eq!(action::annotation(&stored, "web-export"), Some(&json!(false)));
    assert_eq!(action::annotation(&stored, "exec"), Some(&stored["exec"]["kind"]));
}

#[test]
fn c304_errors_behind_exit_codes() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let body = action::nodejs(action::ECHO);
    assert_eq!(exit_code(&as_cli(&tenant, "GET", "actions/none?code=false", None).send()), 148);
    assert_eq!(exit_code(&as_cli(&tenant, "DELETE", "actions/none", None).send()), 148);
    assert_eq!(exit_code(&as_cli(&tenant, "PUT", "actions/a?overwrite=false", Some(&body)).send()), 153);
    assert_eq!(exit_code(&as_cli(&tenant, "PUT", "actions/b?overwrite=false", Some(&json!({}))).send()), 144);
    let stranger = tenant.api().get("/api/v1/namespaces/_/actions?limit=30&skip=0").basic("x:y").send();
    assert_eq!(exit_code(&stranger), 145);
    let payload = json!({"x": "x".repeat(1024 * 1024)});
    let invoke = "actions/a?blocking=true&result=false";
    assert_eq!(exit_code(&as_cli(&tenant, "POST", invoke, Some(&payload)).send()), 157);
}

#[test]
fn c304_an_application_error_has_no_code_member() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs("function main() { return {error: 'x'} }"));
    let whole = as_cli(&tenant, "POST", "actions/a?blocking=true&result=false", Some(&json!({}))).send();
    let record = whole.expect(502).json();
    assert!(record.get("code").is_none() && record["response"]["status"] == "application error", "{record}");
    let result = as_cli(&tenant, "POST", "actions/a?blocking=true&result=true", Some(&json!({}))).send();
    assert_eq!(result.expect(502).json(), json!({"error": "x"}));
}

#[test]
fn invoke_reads_the_activation_id_from_the_body() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    for query in ["blocking=false&result=false", "blocking=true&result=false"] {
        let response = as_cli(&tenant, "POST", &format!("actions/a?{query}"), None).send();
        let id = activation_id(&response);
        assert_eq!(response.json()["activationId"], id.as_str(), "{query}");
    }
}

#[test]
fn activation_list_has_what_its_table_shows() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let cold = tenant.call("a", &json!({})).expect(200).json()["activationId"].take();
    let warm = tenant.call("a", &json!({})).expect(200).json()["activationId"].take();
    let list = wait::until("both records in the list", || {
        let list =
            as_cli(&tenant, "GET", "activations?docs=false&limit=30&skip=0", None).send().expect(200).array();
        let listed = |id: &Value| list.iter().any(|entry| entry["activationId"] == *id);
        if listed(&cold) && listed(&warm) { Ok(list) } else { Err(format!("{list:?}")) }
    });
    for (id, is_cold) in [(cold, true), (warm, false)] {
        let entry = list.iter().find(|entry| entry["activationId"] == id).expect("the activation");
        assert!(action::annotation(entry, "kind").is_some_and(Value::is_string), "{entry}");
        assert_eq!(action::annotation(entry, "initTime").is_some(), is_cold, "{entry}");
        assert_eq!(entry["statusCode"], 0, "{entry}");
        assert!(entry["start"].is_u64() && entry["duration"].is_u64(), "{entry}");
    }
}

#[test]
fn activation_poll_and_last() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs("function main() { console.log('polled') }"));
    let first = tenant.call_and_get_record("a", &json!({}));
    let since = first["start"].as_u64().expect("a start");
    let id = first["activationId"].clone();
    let polled = wait::until("the record in a poll", || {
        let target = format!("activations?docs=true&limit=0&since={since}&skip=0");
        let list = as_cli(&tenant, "GET", &target, None).send().expect(200).array();
        list.into_iter().find(|entry| entry["activationId"] == id).ok_or_else(|| "not listed".to_owned())
    });
    assert!(polled["logs"][0].as_str().is_some_and(|line| line.ends_with("polled")), "{polled}");
    let last =
        as_cli(&tenant, "GET", "activations?docs=false&limit=1&skip=0", None).send().expect(200).array();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["activationId"], id);
}

#[test]
fn property_get_reads_build_strings() {
    let info = shared::api().get("/api/v1").send().expect(200).json();
    assert!(info["build"].is_string() && info["buildno"].is_string(), "{info}");
}
