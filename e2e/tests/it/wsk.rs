//! The official command line against the server, as a user types it. Without a `wsk` every test says that it was
//! skipped.

use oxwhisk_e2e::process::Finished;
use oxwhisk_e2e::wsk::Wsk;
use oxwhisk_e2e::{Tenant, action, report, shared, wait};
use serde_json::{Value, json};

use crate::archive::zip_of;

/// A configured command line, or a line that says why there is none.
fn wsk(test: &str) -> Option<(Tenant, Wsk)> {
    let tenant = shared::tenant();
    match Wsk::for_tenant(&tenant) {
        Ok(wsk) => Some((tenant, wsk)),
        Err(why) => {
            report::skipped(test, &why);
            None
        }
    }
}

#[track_caller]
fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("no json ({e}) in {finished:?}"))
}

/// The id in `ok: invoked /_/a with id <id>`.
#[track_caller]
fn id_of(finished: &Finished) -> String {
    let last = finished.stdout.split_whitespace().last().unwrap_or_default();
    assert_eq!(last.len(), 32, "an activation id at the end of {finished:?}");
    last.to_owned()
}

#[test]
fn wsk_creates_updates_reads_lists_and_deletes() {
    let Some((tenant, wsk)) = wsk("wsk_creates_updates_reads_lists_and_deletes") else { return };
    let source = wsk.file("hello.js", action::ECHO);
    let created = wsk.expect(0, &["action", "create", "hello", &source, "--web", "no", "-p", "who", "me"]);
    assert!(created.stdout.contains("ok: created action"), "{created:?}");
    wsk.expect(0, &["action", "update", "hello", &source, "-a", "note", "updated"]);
    let stored = tenant.get("actions/hello").expect(200).json();
    assert_eq!(stored["version"], "0.0.2");
    assert_eq!(action::annotation(&stored, "note"), Some(&json!("updated")));
    let shown = wsk.expect(0, &["action", "get", "hello"]);
    assert!(shown.stdout.contains("\"name\": \"hello\""), "{shown:?}");
    let listed = wsk.expect(0, &["action", "list"]);
    assert!(listed.stdout.contains("hello"), "{listed:?}");
    std::fs::remove_file(&source).expect("own file");
    wsk.expect(0, &["action", "get", "hello", "--save"]);
    assert_eq!(std::fs::read_to_string(&source).expect("saved code"), action::ECHO);
    wsk.expect(0, &["action", "delete", "hello"]);
    tenant.get("actions/hello").expect(404);
}

#[test]
fn wsk_invokes_python_archives_and_executables() {
    let Some((tenant, wsk)) = wsk("wsk_invokes_python_archives_and_executables") else { return };
    let python = wsk.file("a.py", "def main(args):\n    return {'from': 'python'}\n");
    wsk.expect(0, &["action", "create", "python", &python]);
    let code = "exports.main = () => ({from: 'archive'})";
    let zip = wsk.file("a.zip", zip_of(&[("index.js", code)]));
    wsk.expect(0, &["action", "create", "archive", &zip, "--kind", &tenant.default_kind("nodejs")]);
    let native = wsk.file("exec", "#!/bin/sh\necho '{\"from\": \"native\"}'\n");
    wsk.expect(0, &["action", "create", "native", &native, "--native"]);
    for name in ["python", "archive", "native"] {
        let invoked = wsk.expect(0, &["action", "invoke", name, "--result"]);
        assert_eq!(json_of(&invoked), json!({"from": name}));
    }
}

#[test]
fn wsk_invokes_with_parameters_blocking_or_not() {
    let Some((tenant, wsk)) = wsk("wsk_invokes_with_parameters_blocking_or_not") else { return };
    let source = wsk.file("echo.js", action::ECHO);
    wsk.expect(0, &["action", "create", "echo", &source]);
    let with_flag = wsk.expect(0, &["action", "invoke", "echo", "-r", "-p", "name", "World", "-p", "n", "5"]);
    assert_eq!(json_of(&with_flag), json!({"name": "World", "n": 5}));
    let file = wsk.file("params.json", r#"{"from": "file"}"#);
    let with_file = wsk.expect(0, &["action", "invoke", "echo", "--result", "-P", &file]);
    assert_eq!(json_of(&with_file), json!({"from": "file"}));
    let blocking = wsk.expect(0, &["action", "invoke", "echo", "--blocking"]);
    assert!(blocking.stdout.contains("ok: invoked") && blocking.stdout.contains("success"), "{blocking:?}");
    let id = id_of(&wsk.expect(0, &["action", "invoke", "echo"]));
    assert_eq!(tenant.record(&id)["response"]["status"], "success");
}

#[test]
fn wsk_reads_activations() {
    let Some((tenant, wsk)) = wsk("wsk_reads_activations") else { return };
    let source = wsk.file("a.js", "function main() { console.log('a log line'); return {n: 1} }");
    wsk.expect(0, &["action", "create", "a", &source]);
    let id = id_of(&wsk.expect(0, &["action", "invoke", "a"]));
    tenant.record(&id);
    let listed = wait::until("the activation in the list", || {
        let listed = wsk.expect(0, &["activation", "list"]);
        if listed.stdout.contains(&id) { Ok(listed) } else { Err(listed.stdout) }
    });
    assert!(listed.stdout.contains("cold") && listed.stdout.contains("success"), "{listed:?}");
    let got = wsk.expect(0, &["activation", "get", &id]);
    assert!(got.stdout.contains(&id), "{got:?}");
    let logs = wsk.expect(0, &["activation", "logs", &id]);
    assert!(logs.stdout.contains("stdout: a log line"), "{logs:?}");
    assert_eq!(json_of(&wsk.expect(0, &["activation", "result", &id])), json!({"n": 1}));
    let polled = wsk.expect(0, &["activation", "poll", "--since-minutes", "5", "--exit", "3"]);
    assert!(polled.stdout.contains("a log line"), "{polled:?}");
}

#[test]
fn c304_wsk_exit_codes() {
    let Some((tenant, wsk)) = wsk("c304_wsk_exit_codes") else { return };
    let source = wsk.file("fail.js", "function main() { return {error: 'x'} }");
    wsk.expect(148, &["action", "get", "none"]);
    wsk.expect(148, &["action", "delete", "none"]);
    wsk.expect(0, &["action", "create", "fail", &source]);
    wsk.expect(153, &["action", "create", "fail", &source]);
    wsk.expect(246, &["action", "invoke", "fail", "--result"]);
    wsk.expect(246, &["action", "invoke", "fail", "--blocking"]);
    let wrong = format!("{}:{}", tenant.user().uuid, "x".repeat(64));
    wsk.expect(145, &["action", "list", "--auth", &wrong]);
}

#[test]
fn c304_wsk_exit_code_of_a_wait_that_expired() {
    let Some((_tenant, wsk)) = wsk("c304_wsk_exit_code_of_a_wait_that_expired") else { return };
    let source = wsk.file("slow.js", action::SLEEP);
    wsk.expect(0, &["action", "create", "slow", &source, "--timeout", "120000"]);
    wsk.expect(202, &["action", "invoke", "slow", "--blocking", "-p", "ms", "62000"]);
}
