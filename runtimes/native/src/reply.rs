//! The answers of `/init` and `/run`, with the statuses and wording of OpenWhisk's own proxies.

use std::{borrow::Cow, fmt::Display};

/// An HTTP answer: always JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Cow<'static, [u8]>,
}

impl Reply {
    pub(crate) fn init_ok() -> Self {
        Self { status: 200, body: Cow::Borrowed(b"{\"ok\":true}") }
    }

    /// A result of the action. Whatever is no JSON object or array is the developer's error.
    pub(crate) fn result(json: &[u8]) -> Self {
        if is_object_or_array(json) {
            Self { status: 200, body: Cow::Owned(json.to_vec()) }
        } else {
            Self::not_a_result()
        }
    }

    pub(crate) fn not_a_result() -> Self {
        Self::error(502, "The action did not return a dictionary or array.")
    }

    pub(crate) fn error(status: u16, message: impl Display) -> Self {
        let body = serde_json::json!({ "error": message.to_string() }).to_string();
        Self { status, body: Cow::Owned(body.into_bytes()) }
    }

    pub(crate) fn bad_json(error: impl Display) -> Self {
        Self::error(400, format_args!("Error unmarshaling request: {error}"))
    }

    pub(crate) fn no_code() -> Self {
        Self::error(403, "Missing main/no code to execute.")
    }

    pub(crate) fn second_init() -> Self {
        Self::error(403, "Cannot initialize the action more than once.")
    }

    pub(crate) fn cannot_start(reason: impl Display) -> Self {
        Self::error(502, format_args!("cannot start action: {reason}"))
    }

    pub(crate) fn no_binary() -> Self {
        Self::error(502, "The action failed to generate or locate a binary. See logs for details.")
    }

    pub(crate) fn no_action() -> Self {
        Self::error(500, "no action defined yet")
    }

    pub(crate) fn command_exited() -> Self {
        Self::error(400, "command exited")
    }

    pub(crate) fn bad_argument() -> Self {
        Self::error(404, "The action did not receive a dictionary or array as an argument.")
    }

    /// ActionLoop processes are serial: nothing may come between a line and its answer.
    pub(crate) fn not_ready(status: &str) -> Self {
        Self::error(403, format_args!("System not ready, status is {status}."))
    }
}

/// Whether the text is a complete JSON object or array.
pub(crate) fn is_object_or_array(json: &[u8]) -> bool {
    matches!(json.trim_ascii_start().first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_and_arrays_are_results() {
        for (json, status) in [
            ("{}", 200),
            (" [1] ", 200),
            ("{\"error\":1}", 200),
            ("1", 502),
            ("{", 502),
            ("", 502),
            ("{} {}", 502),
        ] {
            assert_eq!(Reply::result(json.as_bytes()).status, status, "{json:?}");
        }
    }

    #[test]
    fn messages_are_escaped() {
        assert_eq!(*Reply::error(400, "a \"b\"").body, *b"{\"error\":\"a \\\"b\\\"\"}");
    }
}
