//! What an action is called with: its defaults under the caller's payload.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use oxwhisk_core::entity::Action;
use oxwhisk_core::parameters::environment_value;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::fault::Fault;
use crate::http::json_fault;

/// Arguments with all defaults merged in.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) merged: Arc<RawValue>,
    /// Names of those that go to `/init` as environment, not to `/run`.
    pub(crate) init: Vec<String>,
}

/// Arguments as a container gets them.
#[derive(Debug)]
pub(crate) struct SplitArguments {
    pub(crate) run: Arc<RawValue>,
    pub(crate) environment: Vec<(String, String)>,
}

type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Lays `payload` (a request body, perhaps empty) over the action's parameters. Without parameters the payload passes
/// as it came: checked, never rebuilt.
///
/// # Errors
/// When the payload is no JSON object, or names a parameter that the action has made final.
pub(crate) fn merge(action: &Action, payload: &[u8]) -> Result<Arguments, Fault> {
    let payload = read_payload(payload)?;
    let init =
        action.parameters.iter().filter(|parameter| parameter.init).map(|parameter| parameter.key.clone());
    let init: Vec<String> = init.collect();
    if action.parameters.is_empty() {
        return Ok(Arguments { merged: Arc::from(payload), init });
    }
    let mut members = read_members(payload.get())?;
    if action.annotations.is_true("final") {
        refuse_final(action, &members)?;
    }
    for parameter in &action.parameters {
        if !members.contains_key(parameter.key.as_str()) {
            let value =
                serde_json::value::to_raw_value(&parameter.value).map_err(Fault::malformed_content)?;
            members.insert(Cow::Borrowed(&parameter.key), Cow::Owned(value));
        }
    }
    let merged = serde_json::value::to_raw_value(&members).map_err(Fault::malformed_content)?;
    Ok(Arguments { merged: Arc::from(merged), init })
}

/// Separates what `/run` gets from the environment that `/init` gets.
pub(crate) fn split_init(
    merged: &Arc<RawValue>,
    init: &[String],
) -> Result<SplitArguments, serde_json::Error> {
    if init.is_empty() {
        return Ok(SplitArguments { run: Arc::clone(merged), environment: Vec::new() });
    }
    let mut members: Members<'_> = serde_json::from_str(merged.get())?;
    let mut environment = Vec::with_capacity(init.len());
    for name in init {
        if let Some(value) = members.remove(name.as_str()) {
            let value: Value = serde_json::from_str(value.get())?;
            environment.push((name.clone(), environment_value(&value)));
        }
    }
    Ok(SplitArguments { run: Arc::from(serde_json::value::to_raw_value(&members)?), environment })
}

fn read_payload(payload: &[u8]) -> Result<Box<RawValue>, Fault> {
    let malformed =
        |error: &serde_json::Error| Fault::malformed_content(json_fault::describe(payload, error));
    if payload.is_empty() {
        return RawValue::from_string("{}".to_owned()).map_err(|error| malformed(&error));
    }
    let raw: Box<RawValue> = serde_json::from_slice(payload).map_err(|error| malformed(&error))?;
    if raw.get().starts_with('{') { Ok(raw) } else { Err(Fault::malformed_content("JSON object expected")) }
}

fn read_members(object: &str) -> Result<Members<'_>, Fault> {
    serde_json::from_str(object)
        .map_err(|error| Fault::malformed_content(json_fault::describe(object.as_bytes(), &error)))
}

/// A final parameter may be supplied only where it was declared without a value.
fn refuse_final(action: &Action, members: &Members<'_>) -> Result<(), Fault> {
    let refused = action
        .parameters
        .iter()
        .any(|parameter| !parameter.value.is_null() && members.contains_key(parameter.key.as_str()));
    if refused {
        let text = "Request defines parameters that are not allowed (e.g., reserved properties).";
        return Err(Fault::terminate(StatusCode::BAD_REQUEST, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxwhisk_core::entity::ActionPut;
    use oxwhisk_core::limits::SystemLimits;
    use oxwhisk_core::manifest::Manifest;
    use oxwhisk_core::name::{EntityName, FullyQualifiedName};
    use serde_json::json;

    fn action(parameters: &Value, last: bool) -> Action {
        let manifest =
            Manifest::parse(r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}]}}"#).unwrap();
        let me = EntityName::new("me").unwrap();
        let body = json!({
            "exec": {"kind": "go:1", "code": "x"}, "parameters": parameters,
            "annotations": [{"key": "final", "value": last}]
        });
        let put = ActionPut::from_json(&body, &manifest, &me).unwrap();
        let id = FullyQualifiedName::parse("me/a", &me).unwrap();
        put.create(id, 0, SystemLimits::default().default_action_limits(), &manifest).unwrap()
    }

    #[test]
    fn the_payload_wins_over_the_defaults() {
        let action = action(&json!([{"key": "k", "value": 3}, {"key": "d", "value": [1]}]), false);
        let merged = merge(&action, br#"{"k": 4.0, "x": 1}"#).unwrap().merged;
        assert_eq!(merged.get(), r#"{"d":[1],"k":4.0,"x":1}"#);
        assert_eq!(merge(&action, b"").unwrap().merged.get(), r#"{"d":[1],"k":3}"#);
    }

    #[test]
    fn without_parameters_the_payload_passes_untouched() {
        let payload = "{ \"a\" : 1e400, \"b\":\"\\u00e9\" }";
        assert_eq!(merge(&action(&json!([]), false), payload.as_bytes()).unwrap().merged.get(), payload);
    }

    #[test]
    fn only_objects_are_arguments() {
        let action = action(&json!([]), false);
        for (payload, part) in [
            ("[1]", "JSON object expected"),
            ("{", "Unexpected end-of-input"),
            ("x", "Unexpected character 'x'"),
        ] {
            assert!(merge(&action, payload.as_bytes()).unwrap_err().message.contains(part), "{payload}");
        }
    }

    #[test]
    fn final_parameters_may_not_be_overridden_unless_null() {
        let action = action(&json!([{"key": "k", "value": 1}, {"key": "free", "value": null}]), true);
        assert!(merge(&action, br#"{"k": 1}"#).is_err());
        assert!(merge(&action, br#"{"free": 1}"#).is_ok());
    }

    #[test]
    fn init_parameters_become_environment() {
        let action =
            action(&json!([{"key": "E", "value": {"a": 1}, "init": true}, {"key": "p", "value": 1}]), false);
        let arguments = merge(&action, b"{}").unwrap();
        let split = split_init(&arguments.merged, &arguments.init).unwrap();
        assert_eq!(split.run.get(), r#"{"p":1}"#);
        assert_eq!(split.environment, [("E".to_owned(), r#"{"a":1}"#.to_owned())]);
    }
}
