//! `/init`: bodies, statuses and messages.

use serde_json::json;

use crate::harness::{Proxy, SENTINEL, error, ok, shell_loop};

const SCRIPT: &str = "#!/bin/sh\necho '{\"done\":true}'\n";

#[test]
fn ok_then_refused_a_second_time() {
    let mut proxy = Proxy::start();
    proxy.init_script(SCRIPT);
    let again = proxy.init_value(&json!({ "code": SCRIPT }));
    assert_eq!(again, error(403, "Cannot initialize the action more than once."));
    assert_eq!(proxy.run(&json!({})), (200, json!({ "done": true })));
}

#[test]
fn without_code_it_is_refused_and_may_be_tried_again() {
    let mut proxy = Proxy::start();
    let no_code = error(403, "Missing main/no code to execute.");
    for body in
        ["{}", "{\"value\":{}}", "{\"value\":{\"code\":\"\"}}", "{\"value\":{\"code\":null,\"binary\":true}}"]
    {
        assert_eq!(proxy.post("/init", body), no_code, "{body}");
    }
    proxy.init_script(SCRIPT);
}

#[test]
fn bad_json_is_named() {
    let mut proxy = Proxy::start();
    for body in ["", "{", "[1]", "{\"value\":{\"code\":1}}"] {
        let (status, answer) = proxy.post("/init", body);
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().starts_with("Error unmarshaling request: "), "{answer}");
    }
}

#[test]
fn text_that_is_no_script_is_refused_with_the_reason() {
    let mut proxy = Proxy::start();
    let (status, answer) = proxy.init_value(&json!({ "code": "print('hello')" }));
    assert_eq!(status, 502);
    let message = answer["error"].as_str().unwrap();
    assert!(message.starts_with("cannot start action: ") && message.contains("#!"), "{message}");
    assert_eq!(proxy.stdout(), SENTINEL, "a failing init ends its logs");
    assert_eq!(proxy.stderr(), SENTINEL);
}

#[test]
fn a_missing_interpreter_is_named() {
    let mut proxy = Proxy::start();
    let answer = proxy.init_value(&json!({ "code": "#!/no/such/interpreter\n" }));
    assert_eq!(
        answer,
        error(502, "cannot start action: interpreter /no/such/interpreter of the script does not exist")
    );
}

#[test]
fn a_base64_script_is_a_script() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(SCRIPT.as_bytes()), ok());
    assert_eq!(proxy.run(&json!({})), (200, json!({ "done": true })));
}

#[test]
fn a_declared_actionloop_that_exits_at_once_fails_to_start() {
    let mut proxy =
        Proxy::start_with(&[("OW_ACTION_PROTOCOL", "actionloop"), ("OW_START_GRACE_MS", "30000")]);
    let answer = proxy.init_value(&json!({ "code": "#!/bin/sh\necho dying\nexit 1\n" }));
    assert_eq!(answer, error(502, "cannot start action: command exited"));
    assert_eq!(proxy.stdout(), format!("dying\n{SENTINEL}"));
}

#[test]
fn an_acknowledgement_is_waited_for() {
    let mut proxy = Proxy::start_with(&[("OW_WAIT_FOR_ACK", "1")]);
    let body = "#!/bin/sh\necho starting\necho \"{\\\"ok\\\":${__OW_WAIT_FOR_ACK:+true}}\" >&3\n";
    proxy.init_script(&format!("{body}{}", &shell_loop("echo '{\"answer\":1}' >&3")[10..]));
    assert_eq!(proxy.stdout(), "starting\n");
    assert_eq!(proxy.run(&json!({})), (200, json!({ "answer": 1 })));
}

#[test]
fn a_bad_acknowledgement_or_none_fails_to_start() {
    for (script, reason) in [
        ("#!/bin/sh\necho '{\"ok\":false}' >&3\nread line\n", "The action did not initialize properly."),
        ("#!/bin/sh\necho nonsense >&3\nread line\n", "The action did not initialize properly."),
        ("#!/bin/sh\nexit 3\n", "Command exited abruptly during initialization."),
    ] {
        let mut proxy = Proxy::start_with(&[("OW_WAIT_FOR_ACK", "1")]);
        let answer = proxy.init_value(&json!({ "code": script }));
        assert_eq!(answer, error(502, &format!("cannot start action: {reason}")));
    }
}

#[test]
fn init_errors_can_be_kept_out_of_the_response() {
    let mut proxy = Proxy::start_with(&[("OW_LOG_INIT_ERROR", "1")]);
    let answer = proxy.init_value(&json!({ "code": "#!/no/such/interpreter\n" }));
    assert_eq!(answer, error(502, "The action failed to generate or locate a binary. See logs for details."));
    assert!(proxy.stdout().contains("/no/such/interpreter"));
}

#[test]
fn a_bad_setting_ends_the_proxy_with_one_line() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_oxwhisk-runtime-native"))
        .env("OW_LISTEN", "nonsense")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1);
    assert!(stderr.contains("OW_LISTEN is \"nonsense\""), "{stderr}");
}
