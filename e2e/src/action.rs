//! Small actions and the bodies that create them.

use serde_json::{Value, json};

/// Gives its arguments back.
pub const ECHO: &str = "function main(args) { return args }";
/// Takes about `args.ms` milliseconds.
pub const SLEEP: &str =
    "function main(args) { return new Promise(done => setTimeout(() => done({slept: args.ms}), args.ms)) }";
/// Lists the variables that OpenWhisk sets.
pub const ENVIRONMENT: &str = "function main() { const found = {}; for (const k in process.env) if (k.startsWith('__OW_')) found[k] = process.env[k]; return found }";

/// A body with source of the default Node.js kind.
pub fn nodejs(code: &str) -> Value {
    json!({"exec": {"kind": "nodejs:default", "code": code}})
}

/// A body with source of the default Python kind.
pub fn python(code: &str) -> Value {
    json!({"exec": {"kind": "python:default", "code": code}})
}

/// A body with an executable script, as `wsk action create --native` sends it.
pub fn native(script: &str) -> Value {
    json!({"exec": {"kind": "blackbox", "image": "openwhisk/dockerskeleton", "code": script}})
}

/// [`nodejs`] with a time limit in milliseconds.
pub fn nodejs_with_timeout(code: &str, timeout: u64) -> Value {
    with(nodejs(code), "limits", json!({"timeout": timeout}))
}

/// The body with one more member.
pub fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

/// The value of an annotation or parameter in an entity or record.
pub fn value_of<'a>(entity: &'a Value, list: &str, key: &str) -> Option<&'a Value> {
    entity[list].as_array()?.iter().find(|item| item["key"] == key).map(|item| &item["value"])
}

/// The value of an annotation.
pub fn annotation<'a>(entity: &'a Value, key: &str) -> Option<&'a Value> {
    value_of(entity, "annotations", key)
}

/// The value of a parameter.
pub fn parameter<'a>(entity: &'a Value, key: &str) -> Option<&'a Value> {
    value_of(entity, "parameters", key)
}
