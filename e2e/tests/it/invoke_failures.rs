//! Checklist lines 136, 137, 139 to 143, 154 and 171: invocations that fail, and how their records say it.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{Response, ServerOptions, Tenant, action, shared};
use serde_json::{Value, json};

const DEVELOPER_ERROR: &str = "action developer error";

/// Checks a failed blocking invocation and gives the `error` member of its result.
#[track_caller]
fn error_of(response: &Response, status: &str) -> Value {
    let response = response.clone().expect(502);
    let answer = response.json()["response"].take();
    assert_eq!((&answer["status"], &answer["success"]), (&json!(status), &json!(false)), "{response:?}");
    answer["result"]["error"].clone()
}

#[track_caller]
fn run(tenant: &Tenant, code: &str) -> Response {
    tenant.create("a", &action::nodejs(code));
    tenant.call("a", &json!({}))
}

#[test]
fn c136_an_exception_is_a_developer_error() {
    let tenant = shared::tenant();
    let error = error_of(&run(&tenant, "function main() { throw new Error('boom') }"), DEVELOPER_ERROR);
    assert!(error.as_str().is_some_and(|text| text.contains("boom")), "{error}");
}

#[test]
fn c137_a_result_must_be_an_object_or_an_array() {
    let tenant = shared::tenant();
    let response = run(&tenant, "function main() { return 5 }");
    let error = error_of(&response, DEVELOPER_ERROR);
    // OpenWhisk's Node.js runtime notices first; the platform's own text is for runtimes that pass it on.
    let texts =
        ["The action did not return a dictionary", "The action did not produce a valid JSON or JSON Array"];
    let known = error.as_str().is_some_and(|text| texts.iter().any(|known| text.starts_with(known)));
    response.check(known, "error");
}

#[test]
fn c139_an_action_that_ends_its_process() {
    let tenant = shared::tenant();
    let response = run(&tenant, "function main() { process.exit(1) }");
    let message = "The action did not produce a valid response and exited unexpectedly.";
    assert_eq!(error_of(&response, DEVELOPER_ERROR), message);
    // Its container is gone; the next invocation gets another.
    tenant.update("a", &action::nodejs(action::ECHO));
    tenant.call("a", &json!({})).expect(200);
}

#[test]
fn c140_an_action_that_runs_too_long() {
    let tenant = shared::tenant();
    // Enough for an initialisation, which has the same limit, on a busy machine.
    tenant.create("a", &action::nodejs_with_timeout(action::SLEEP, 5_000));
    let response = tenant.call("a", &json!({"ms": 600_000}));
    let message = "The action exceeded its time limits of 5000 milliseconds.";
    assert_eq!(error_of(&response, DEVELOPER_ERROR), message);
    let record = response.json();
    assert_eq!(action::annotation(&record, "timeout"), Some(&json!(true)));
    assert!(record["duration"].as_u64().is_some_and(|ms| ms >= 5_000), "{record}");
}

#[test]
fn c140_a_busy_loop_is_stopped_as_well() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs_with_timeout("function main() { for (;;) {} }", 5_000));
    let message = "The action exceeded its time limits of 5000 milliseconds.";
    assert_eq!(error_of(&tenant.call("a", &json!({})), DEVELOPER_ERROR), message);
}

#[test]
fn c141_an_initialization_that_runs_too_long() {
    let tenant = shared::tenant();
    let code = "for (;;) {}\nfunction main() { return {} }";
    tenant.create("a", &action::nodejs_with_timeout(code, 1_000));
    let response = tenant.call("a", &json!({}));
    let message = "The action exceeded its time limits of 1000 milliseconds during initialization.";
    assert_eq!(error_of(&response, DEVELOPER_ERROR), message);
    assert_eq!(action::annotation(&response.json(), "timeout"), Some(&json!(true)));
}

#[test]
fn c142_code_that_cannot_be_read() {
    let tenant = shared::tenant();
    let response = run(&tenant, "function main( {");
    let error = error_of(&response, DEVELOPER_ERROR);
    let text = error.as_str().unwrap_or_default();
    let told = text.contains("SyntaxError") || text.starts_with("The action failed during initialization: ");
    response.check(told, "error");
}

#[test]
fn c142_a_missing_main_function() {
    let tenant = shared::tenant();
    let response = run(&tenant, "function other() { return {} }");
    response.check(error_of(&response, DEVELOPER_ERROR).is_string(), "error");
}

#[test]
fn c143_a_result_above_the_most_is_cut() {
    const MOST: usize = 1024 * 1024;
    let tenant = shared::tenant();
    let code = "function main(a) { return {r: 'x'.repeat(a.n)} }";
    tenant.create("a", &action::nodejs(code));
    // {"r":"..."} has 8 bytes besides its text.
    let largest = tenant.call_for_result("a", &json!({"n": MOST - 8})).expect(200);
    assert_eq!(largest.body.len(), MOST);
    let response = tenant.call("a", &json!({"n": MOST - 7}));
    let error = error_of(&response, "application error");
    let start = format!(
        "The action produced a response that exceeded the allowed length: {} > {MOST} bytes. The truncated response was: ",
        MOST + 1
    );
    let text = error.as_str().expect("a string");
    assert!(text.starts_with(&start), "{}", &text[..300.min(text.len())]);
    assert!(text[start.len()..].starts_with("{\"r\":\"xxx"), "{}", &text[..300]);
}

#[test]
fn c154_an_image_that_nobody_has() {
    let tenant = shared::tenant();
    let image = "nosuchprefix/nosuchimage:none";
    tenant.create("a", &json!({"exec": {"kind": "blackbox", "image": image}}));
    let response = tenant.call("a", &json!({}));
    let message = format!("Failed to pull container image '{image}'.");
    assert_eq!(error_of(&response, DEVELOPER_ERROR), message.as_str());
}

#[test]
fn c171_an_action_deleted_while_its_invocation_waits() {
    // Room for one container only, and a queue of the same namespace before the invocation: an invoker that has
    // taken it already may have its code already, too, and then rightly runs it.
    const BEFORE: usize = 200;
    let options = ServerOptions::default().env("CONFIG_whisk_containerPool_userMemory", "256m");
    let Some(server) = shared::own_server("c171", &options) else { return };
    let tenant = server.special(Special::Busy);
    tenant.create("first", &action::nodejs(action::SLEEP));
    tenant.create("second", &action::nodejs(action::ECHO));
    tenant.fire("first", &json!({"ms": 10_000}));
    let before: Vec<_> = (0..BEFORE).map(|_| tenant.fire("first", &json!({"ms": 1}))).collect();
    let id = tenant.fire("second", &json!({}));
    tenant.delete("actions/second").expect(200);

    let record = tenant.record(&id);
    assert_eq!(record["response"]["status"], "application error", "{record}");
    let message = "Action could not be found or may have been deleted.";
    assert_eq!(record["response"]["result"], json!({"error": message}));
    assert_eq!(action::annotation(&record, "kind"), Some(&json!("unknown")));
    assert_eq!(tenant.record(&before[BEFORE - 1])["response"]["status"], "success");
}

#[test]
fn an_application_error_keeps_the_container_and_a_developer_error_does_not() {
    let tenant = shared::tenant();
    let code = "function main(a) { if (a.throw) throw new Error('x'); return {error: 'x'} }";
    tenant.create("a", &action::nodejs(code));
    let is_cold = |payload: Value| {
        let response = tenant.call("a", &payload).expect(502);
        activation_id(&response);
        action::annotation(&response.json(), "initTime").is_some()
    };
    assert!(is_cold(json!({})), "the first is cold");
    assert!(!is_cold(json!({})), "after an application error the container is warm");
    assert!(!is_cold(json!({"throw": true})));
    assert!(is_cold(json!({})), "after a developer error the container is gone");
}
