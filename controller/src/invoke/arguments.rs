//! What an action is called with: its defaults under the caller's payload. Defaults that are encrypted stay so until
//! an activation is dispatched.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use oxwhisk_core::entity::Action;
use oxwhisk_core::parameters::environment_value;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::entities::{ParameterCiphers, UnlockError};
use crate::http::fault::Fault;
use crate::http::json_fault;

/// Arguments with all defaults merged in.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) merged: Arc<RawValue>,
    /// Names of those that go to `/init` as environment, not to `/run`.
    pub(crate) init: Vec<String>,
    /// Names of those that are encrypted, with the scheme of each.
    pub(crate) locked: BTreeMap<String, String>,
}

/// Arguments as a container gets them.
#[derive(Debug)]
pub(crate) struct OpenArguments {
    pub(crate) run: Arc<RawValue>,
    pub(crate) environment: Vec<(String, String)>,
}

/// Why arguments cannot be given to a container.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentsError {
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    #[error("The parameter '{name}' cannot be decrypted: {reason}.")]
    Locked { name: String, reason: UnlockError },
    #[error("The parameter '{name}' cannot be decrypted: it holds no JSON value.")]
    NotJson { name: String },
}

type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Lays `payload` (a request body, perhaps empty) over the action's parameters. Without parameters the payload passes
/// as it came: checked, never rebuilt.
///
/// # Errors
/// When the payload is no JSON object, or names a parameter that the action has made final.
pub(crate) fn merge(action: &Action, payload: &[u8], ciphers: &ParameterCiphers) -> Result<Arguments, Fault> {
    let payload = read_payload(payload)?;
    let init =
        action.parameters.iter().filter(|parameter| parameter.init).map(|parameter| parameter.key.clone());
    let init: Vec<String> = init.collect();
    if action.parameters.is_empty() {
        return Ok(Arguments { merged: Arc::from(payload), init, locked: BTreeMap::new() });
    }
    let mut members = read_members(payload.get())?;
    if action.annotations.is_true("final") {
        refuse_final(action, &members, ciphers)?;
    }
    let mut locked = BTreeMap::new();
    for parameter in &action.parameters {
        if !members.contains_key(parameter.key.as_str()) {
            if let Some(scheme) = &parameter.encryption {
                locked.insert(parameter.key.clone(), scheme.clone());
            }
            let value =
                serde_json::value::to_raw_value(&parameter.value).map_err(Fault::malformed_content)?;
            members.insert(Cow::Borrowed(&parameter.key), Cow::Owned(value));
        }
    }
    let merged = serde_json::value::to_raw_value(&members).map_err(Fault::malformed_content)?;
    Ok(Arguments { merged: Arc::from(merged), init, locked })
}

/// Decrypts what is encrypted, and separates what `/run` gets from the environment that `/init` gets.
///
/// # Errors
/// Names the argument that cannot be decrypted. An init argument that is no JSON value a runtime could read is
/// malformed.
pub(crate) fn open(
    arguments: &Arguments,
    ciphers: &ParameterCiphers,
) -> Result<OpenArguments, ArgumentsError> {
    if arguments.init.is_empty() && arguments.locked.is_empty() {
        return Ok(OpenArguments { run: Arc::clone(&arguments.merged), environment: Vec::new() });
    }
    let mut members: Members<'_> = serde_json::from_str(arguments.merged.get())?;
    for (name, scheme) in &arguments.locked {
        if let Some(value) = members.get_mut(name.as_str()) {
            unlock(name, scheme, value, ciphers)?;
        }
    }
    let mut environment = Vec::with_capacity(arguments.init.len());
    for name in &arguments.init {
        if let Some(value) = members.remove(name.as_str()) {
            let value: Value = serde_json::from_str(value.get())?;
            environment.push((name.clone(), environment_value(&value)));
        }
    }
    Ok(OpenArguments { run: Arc::from(serde_json::value::to_raw_value(&members)?), environment })
}

/// Encrypted values are texts; whatever else claims to be encrypted is left as it is, as OpenWhisk does.
fn unlock(
    name: &str,
    scheme: &str,
    value: &mut Cow<'_, RawValue>,
    ciphers: &ParameterCiphers,
) -> Result<(), ArgumentsError> {
    let Ok(sealed) = serde_json::from_str::<String>(value.get()) else { return Ok(()) };
    let opened = ciphers
        .unlock(scheme, &sealed)
        .map_err(|reason| ArgumentsError::Locked { name: name.to_owned(), reason })?;
    if let Some(text) = opened {
        // What the text is must not be told, so the parser's own error is dropped.
        let json =
            RawValue::from_string(text).map_err(|_| ArgumentsError::NotJson { name: name.to_owned() })?;
        *value = Cow::Owned(json);
    }
    Ok(())
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
fn refuse_final(action: &Action, members: &Members<'_>, ciphers: &ParameterCiphers) -> Result<(), Fault> {
    let refused = action
        .parameters
        .iter()
        .any(|parameter| members.contains_key(parameter.key.as_str()) && ciphers.has_value(parameter));
    if refused {
        let text = "Request defines parameters that are not allowed (e.g., reserved properties).";
        return Err(Fault::terminate(StatusCode::BAD_REQUEST, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
