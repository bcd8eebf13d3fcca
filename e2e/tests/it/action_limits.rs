//! Checklist lines 109 to 120: limits of an action and of its size.

use oxwhisk_e2e::{Response, action, shared};
use serde_json::{Value, json};

use crate::malformed;

#[track_caller]
fn put_with_limits(limits: Value) -> Response {
    shared::tenant().put("actions/a", &action::with(action::nodejs(action::ECHO), "limits", limits))
}

#[test]
fn c109_a_timeout_below_the_least() {
    put_with_limits(json!({"timeout": 99}))
        .expect_error(400, "duration 99 milliseconds below allowed threshold of 100 milliseconds");
}

#[test]
fn c110_a_timeout_above_the_most() {
    put_with_limits(json!({"timeout": 300_001}))
        .expect_error(400, "duration 300001 milliseconds exceeds allowed threshold of 300000 milliseconds");
}

#[test]
fn c111_memory_below_the_least() {
    put_with_limits(json!({"memory": 64}))
        .expect_error(400, "memory size 64 MB below allowed threshold of 128 MB");
}

#[test]
fn c112_memory_above_the_most() {
    put_with_limits(json!({"memory": 1024}))
        .expect_error(400, "memory size 1024 MB exceeds allowed threshold of 512 MB");
}

#[test]
fn c113_logs_above_the_most_and_none_at_all() {
    put_with_limits(json!({"logs": 11}))
        .expect_error(400, "log size 11 MB exceeds allowed threshold of 10 MB");
    assert_eq!(put_with_limits(json!({"logs": 0})).expect(200).json()["limits"]["logs"], 0);
}

#[test]
fn c114_concurrency_above_the_most() {
    put_with_limits(json!({"concurrency": 2}))
        .expect_error(400, "concurrency 2 exceeds allowed threshold of 1");
}

#[test]
fn c115_more_instances_than_the_namespace_may_run() {
    put_with_limits(json!({"instances": 31})).expect_error(
        400,
        "Max action instance concurrency must not exceed your namespace concurrency of 30.",
    );
    assert_eq!(put_with_limits(json!({"instances": 5})).expect(200).json()["limits"]["instances"], 5);
}

#[test]
fn c115_instances_below_zero() {
    let detail = "Action container concurrency must be greater than or equal to 0.";
    let response = put_with_limits(json!({"instances": -1}));
    let message = response.error_message(400);
    response.check(message.starts_with(&malformed("")) && message.ends_with(detail), "message");
}

#[test]
fn c116_limits_are_whole_numbers() {
    let cases = [
        (json!({"timeout": 1.5}), "time limit must be whole number"),
        (json!({"timeout": "100"}), "time limit must be whole number"),
        (json!({"memory": 200.5}), "memory limit must be whole number"),
        (json!({"logs": 1.5}), "log limit must be whole number"),
    ];
    for (limits, detail) in cases {
        put_with_limits(limits).expect_error(400, &malformed(detail));
    }
}

#[test]
fn c117_limits_have_defaults() {
    let stored = shared::tenant().create("a", &action::nodejs(action::ECHO));
    assert_eq!(stored["limits"], json!({"timeout": 60_000, "memory": 256, "logs": 10, "concurrency": 1}));
}

#[test]
fn c118_code_above_the_most() {
    const MOST: usize = 48 * 1024 * 1024;
    let code = "x".repeat(MOST + 1);
    let response = shared::tenant().put("actions/a", &action::nodejs(&code));
    response.expect_error(413, &format!("exec larger than allowed: {} > {MOST} bytes.", MOST + 1));
}

/// The text is exact but for the size, which depends on how the server writes JSON.
#[track_caller]
fn expect_too_large(response: &Response, what: &str) {
    let message = response.error_message(413);
    let size = message
        .strip_prefix(&format!("{what} larger than allowed: "))
        .and_then(|rest| rest.strip_suffix(" > 1048576 bytes."))
        .and_then(|size| size.parse::<u32>().ok());
    response.check(size.is_some_and(|size| size > 1_048_576), "message");
}

#[test]
fn c119_parameters_above_the_most() {
    let large = json!([{"key": "a", "value": "x".repeat(1024 * 1024)}]);
    let body = action::with(action::nodejs(action::ECHO), "parameters", large);
    expect_too_large(&shared::tenant().put("actions/a", &body), "parameters");
}

#[test]
fn c120_annotations_above_the_most() {
    let large = json!([{"key": "a", "value": "x".repeat(1024 * 1024)}]);
    let body = action::with(action::nodejs(action::ECHO), "annotations", large);
    expect_too_large(&shared::tenant().put("actions/a", &body), "annotations");
}
