//! What an action is called with: its defaults under the caller's payload. Defaults that are encrypted stay so until
//! an activation is dispatched.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use oxwhisk_core::entity::Action;
use oxwhisk_core::json;
use oxwhisk_core::parameters::{Parameter, environment_value};
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

/// Lays `payload`, an object, over the action's parameters. What the payload has passes as it came, never rebuilt.
///
/// # Errors
/// When the payload names a parameter that the action has made final.
pub(crate) fn merge(
    action: &Action,
    payload: &Arc<RawValue>,
    ciphers: &ParameterCiphers,
) -> Result<Arguments, Fault> {
    let init =
        action.parameters.iter().filter(|parameter| parameter.init).map(|parameter| parameter.key.clone());
    let init: Vec<String> = init.collect();
    if action.parameters.is_empty() {
        return Ok(Arguments { merged: Arc::clone(payload), init, locked: BTreeMap::new() });
    }
    let given = json::Object::read(payload).map_err(Fault::malformed_content)?.names();
    let (given, defaults): (Vec<&Parameter>, Vec<&Parameter>) =
        action.parameters.iter().partition(|parameter| given.contains(parameter.key.as_bytes()));
    if action.annotations.is_true("final") {
        refuse_final(&given, ciphers)?;
    }
    let scheme = |default: &&Parameter| Some((default.key.clone(), default.encryption.clone()?));
    let locked = defaults.iter().filter_map(scheme).collect();
    let members = defaults.iter().map(|default| (default.key.as_str(), &*default.value));
    let merged = json::with_members(payload, members).map_err(Fault::malformed_content)?;
    Ok(Arguments { merged: Arc::from(merged), init, locked })
}

/// Decrypts what is encrypted, and separates what `/run` gets from the environment that `/init` gets.
///
/// # Errors
/// Names the argument that cannot be decrypted.
pub(crate) fn open(
    arguments: &Arguments,
    ciphers: &ParameterCiphers,
) -> Result<OpenArguments, ArgumentsError> {
    if arguments.init.is_empty() && arguments.locked.is_empty() {
        return Ok(OpenArguments { run: Arc::clone(&arguments.merged), environment: Vec::new() });
    }
    let mut members = json::Object::read(&arguments.merged)?;
    for (name, value) in members.iter_mut() {
        if let Some(scheme) = arguments.locked.get(&*name) {
            unlock(&name, scheme, value, ciphers)?;
        }
    }
    let init = members.take(&arguments.init.iter().map(String::as_str).collect());
    let variable = |name: &String| Some((name.clone(), environment_value(init.get(name)?)));
    let environment = arguments.init.iter().filter_map(variable).collect();
    Ok(OpenArguments { run: Arc::from(members.to_raw()?), environment })
}

/// Encrypted values are texts; whatever else claims to be encrypted is left as it is, as OpenWhisk does.
fn unlock(
    name: &str,
    scheme: &str,
    value: &mut Cow<'_, RawValue>,
    ciphers: &ParameterCiphers,
) -> Result<(), ArgumentsError> {
    let Some(sealed) = json::string(value) else { return Ok(()) };
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

/// The payload of a request body, which may be empty.
///
/// # Errors
/// When it is no JSON object, or nested too deeply.
pub(crate) fn read_payload(body: &[u8]) -> Result<Arc<RawValue>, Fault> {
    json::check_depth(body).map_err(Fault::malformed_content)?;
    let body = if body.is_empty() { b"{}" } else { body };
    let raw: Box<RawValue> = serde_json::from_slice(body)
        .map_err(|error| Fault::malformed_content(json_fault::describe(body, &error)))?;
    if raw.get().starts_with('{') {
        Ok(Arc::from(raw))
    } else {
        Err(Fault::malformed_content("JSON object expected"))
    }
}

/// A final parameter may be supplied only where it was declared without a value.
fn refuse_final(given: &[&Parameter], ciphers: &ParameterCiphers) -> Result<(), Fault> {
    if given.iter().any(|parameter| ciphers.has_value(parameter)) {
        let text = "Request defines parameters that are not allowed (e.g., reserved properties).";
        return Err(Fault::terminate(StatusCode::BAD_REQUEST, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
