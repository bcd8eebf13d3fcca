//! What the structures of the command line take. A member of another type is lost without a word, and some that are
//! missing end the program.

use serde_json::Value;

type Test = fn(&Value) -> bool;

const WHOLE: Test = |value| value.is_i64() || value.is_u64();
const LINES: Test = |value| value.as_array().is_some_and(|lines| lines.iter().all(Value::is_string));
const PAIRS: Test = |value| {
    let Some(pairs) = value.as_array() else { return false };
    pairs.iter().all(|pair| pair["key"].is_string() && pair.get("value").is_some())
};

const ACTION: &[(&str, Test)] = &[
    ("namespace", Value::is_string),
    ("name", Value::is_string),
    ("version", Value::is_string),
    ("annotations", PAIRS),
    ("parameters", PAIRS),
    ("publish", Value::is_boolean),
    ("updated", WHOLE),
];
const EXEC: &[(&str, Test)] = &[
    ("kind", Value::is_string),
    ("code", Value::is_string),
    ("image", Value::is_string),
    ("main", Value::is_string),
    ("binary", Value::is_boolean),
];
const LIMITS: &[(&str, Test)] =
    &[("timeout", WHOLE), ("memory", WHOLE), ("logs", WHOLE), ("concurrency", WHOLE)];
const ACTIVATION: &[(&str, Test)] = &[
    ("namespace", Value::is_string),
    ("name", Value::is_string),
    ("version", Value::is_string),
    ("subject", Value::is_string),
    ("activationId", Value::is_string),
    ("cause", Value::is_string),
    ("start", WHOLE),
    ("end", WHOLE),
    ("duration", WHOLE),
    ("statusCode", WHOLE),
    ("logs", LINES),
    ("annotations", PAIRS),
    ("publish", Value::is_boolean),
];
const RESPONSE: &[(&str, Test)] =
    &[("status", Value::is_string), ("success", Value::is_boolean), ("result", Value::is_object)];

#[track_caller]
fn check(value: &Value, members: &[(&str, Test)]) {
    assert!(value.is_object(), "not an object: {value}");
    for (member, fits) in members {
        if let Some(found) = value.get(member) {
            assert!(fits(found), "'{member}' has another type: {value}");
        }
    }
}

/// An action, whole or in a list; gives it back.
#[track_caller]
pub(super) fn action(value: Value) -> Value {
    check(&value, ACTION);
    check(&value["exec"], EXEC);
    check(&value["limits"], LIMITS);
    // `--save` reads it for every kind.
    assert!(value["exec"]["binary"].is_boolean(), "no 'binary': {value}");
    assert!(oxwhisk_e2e::action::annotation(&value, "exec").is_some_and(Value::is_string), "{value}");
    // Either would be taken for a failure.
    assert!(value.get("response").is_none() && value.get("error").is_none(), "{value}");
    value
}

/// An activation, whole or in a list; gives it back.
#[track_caller]
pub(super) fn activation(value: Value) -> Value {
    check(&value, ACTIVATION);
    if let Some(found) = value.get("response") {
        response(found);
    }
    assert!(oxwhisk_e2e::action::annotation(&value, "kind").is_some_and(Value::is_string), "{value}");
    value
}

/// How an activation ended.
#[track_caller]
pub(super) fn response(value: &Value) {
    check(value, RESPONSE);
    // What is missing counts as failed.
    assert!(value["success"].is_boolean(), "no 'success': {value}");
}

#[test]
fn another_type_is_found() {
    use serde_json::json;
    let good = json!({
        "namespace": "n", "name": "a", "exec": {"kind": "k", "binary": false}, "limits": {"timeout": 1},
        "annotations": [{"key": "exec", "value": "k"}],
    });
    action(good.clone());
    for (pointer, bad) in [
        ("/name", json!(1)),
        ("/exec/binary", json!("false")),
        ("/limits/timeout", json!(1.5)),
        ("/annotations/0/value", json!(1)),
        ("/annotations/0", json!({"key": "exec"})),
    ] {
        let mut value = good.clone();
        *value.pointer_mut(pointer).expect("a member") = bad;
        let found = std::panic::catch_unwind(|| action(value));
        assert!(found.is_err(), "{pointer}");
    }
}
