//! What a container's answer means: the status and result of the activation.
//!
//! Pure. A result that passes through is scanned once, for being JSON at all; only a text that may have a member named
//! `error` is looked into. No tree is built, and no number or string of a user's result is ever rewritten.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::memmem;
use oxwhisk_core::entity::{Response, Status};
use oxwhisk_core::json;
use oxwhisk_invoker_api::ResponseLimits;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An HTTP answer of a container, its body perhaps cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// What was kept of the body: at most the limit, or the truncation size if it was longer.
    pub(crate) body: &'a [u8],
    /// Bytes of the whole body.
    pub(crate) length: u64,
}

/// The one status that an answer must have to count as given by the action.
const OK: u16 = 200;
/// The runtime takes no more runs: it is shutting down.
pub(crate) const SHUTTING_DOWN: u16 = 503;

/// The shape of a JSON text, as far as it matters here.
enum Shape<'a> {
    Object { error: Option<&'a RawValue> },
    Array,
    Other,
}

/// What an answer to `/run` means.
pub(crate) fn of_run(answer: Answer<'_>, limits: ResponseLimits) -> Response {
    if answer.status == OK && answer.length > limits.max as u64 {
        return Response::error(Status::ApplicationError, &too_long(answer, limits));
    }
    let text = std::str::from_utf8(answer.body).ok();
    let raw = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    let raw = raw.filter(|raw| json::check_depth(raw.get().as_bytes()).is_ok());
    match (raw.map(shape), raw) {
        (Some(Shape::Object { error: Some(error) }), _) if answer.status == OK => {
            error_member(Status::ApplicationError, error)
        }
        (Some(Shape::Object { error: Some(error) }), _) => error_member(Status::DeveloperError, error),
        (Some(Shape::Object { error: None } | Shape::Array), Some(raw)) if answer.status == OK => {
            success(raw)
        }
        _ => Response::error(Status::DeveloperError, &followed_by(NOT_JSON, answer.body)),
    }
}

/// What an answer to `/init` means: `None` is success.
pub(crate) fn of_init(answer: Answer<'_>) -> Option<Response> {
    if answer.status == OK {
        return None;
    }
    let raw =
        std::str::from_utf8(answer.body).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    Some(match raw.map(shape) {
        Some(Shape::Object { error: Some(error) }) => error_member(Status::DeveloperError, error),
        _ => Response::error(Status::DeveloperError, &followed_by(INIT_FAILED, answer.body)),
    })
}

const NOT_JSON: &str = "The action did not produce a valid JSON or JSON Array response";
const INIT_FAILED: &str = "The action failed during initialization";

/// The action did not answer `/run` within its time limit, in milliseconds.
pub(crate) fn run_timeout(limit: u64) -> Response {
    developer_error(&format!("The action exceeded its time limits of {limit} milliseconds."))
}

/// The same for `/init`.
pub(crate) fn init_timeout(limit: u64) -> Response {
    developer_error(&format!(
        "The action exceeded its time limits of {limit} milliseconds during initialization."
    ))
}

/// The connection broke during `/run`.
pub(crate) fn broken_run(out_of_memory: bool) -> Response {
    developer_error(if out_of_memory {
        "The action exhausted its memory and was aborted."
    } else {
        "The action did not produce a valid response and exited unexpectedly."
    })
}

/// The connection broke during `/init`.
pub(crate) fn broken_init(out_of_memory: bool) -> Response {
    developer_error(if out_of_memory {
        "The action exhausted its memory and was aborted."
    } else {
        "The action did not initialize and exited unexpectedly."
    })
}

fn developer_error(message: &str) -> Response {
    Response::error(Status::DeveloperError, message)
}

/// `sentence: body`, or `sentence.` when there is none.
fn followed_by(sentence: &str, body: &[u8]) -> String {
    if body.is_empty() {
        format!("{sentence}.")
    } else {
        format!("{sentence}: {}", String::from_utf8_lossy(body))
    }
}

fn too_long(answer: Answer<'_>, limits: ResponseLimits) -> String {
    let kept = &answer.body[..answer.body.len().min(limits.truncation)];
    format!(
        "The action produced a response that exceeded the allowed length: {} > {} bytes. The truncated response was: {}",
        answer.length,
        limits.max,
        whole_characters(kept)
    )
}

/// The text without a character that the cut went through.
fn whole_characters(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

fn success(raw: &RawValue) -> Response {
    let size = raw.get().len() as u64;
    Response { status: Status::Success, result: Some(Arc::from(raw.to_owned())), size: Some(size) }
}

/// Of an object with an `error`, only that member is kept.
fn error_member(status: Status, error: &RawValue) -> Response {
    let text = format!("{{\"error\":{}}}", error.get());
    let size = text.len() as u64;
    // An object made of a valid value is valid, so this never answers `None`.
    let result = RawValue::from_string(text).ok().map(Arc::from);
    Response { status, result, size: Some(size) }
}

fn shape(raw: &RawValue) -> Shape<'_> {
    match raw.get().as_bytes().first() {
        Some(b'{') => Shape::Object { error: top_level_error(raw) },
        Some(b'[') => Shape::Array,
        _ => Shape::Other,
    }
}

fn top_level_error(raw: &RawValue) -> Option<&RawValue> {
    let bytes = raw.get().as_bytes();
    // The name could be written with escapes, which all start so.
    if memmem::find(bytes, b"\"error\"").is_none() && memmem::find(bytes, b"\\u").is_none() {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer.deserialize_map(ErrorMember).ok().flatten()
}

/// Finds the last member named `error`, as a parser that keeps the last of equal names would.
struct ErrorMember;

impl<'de> Visitor<'de> for ErrorMember {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut error = None;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if name.0 == "error" {
                error = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(error)
    }
}

/// A member's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
