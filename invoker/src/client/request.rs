//! The bodies of `/init` and `/run`, byte for byte as the runtimes expect them. Pure.
//!
//! Every value but the arguments and the code is a string, the numbers too. The arguments pass through as they came.

use std::io::{IoSlice, Write};

use oxwhisk_core::trace::{TRACEPARENT, TraceContext};
use oxwhisk_invoker_api::{ApiKey, Dispatch};

/// `POST /run` for one activation.
#[derive(Debug)]
pub(crate) struct RunRequest<'a> {
    arguments: &'a str,
    /// Head and the start of the body, then what follows the arguments.
    own: Vec<u8>,
    split: usize,
}

impl<'a> RunRequest<'a> {
    /// Writes the request into `own`, which is empty. `deadline` is in milliseconds since the epoch; `trace` is the span
    /// that waits for the answer.
    pub(crate) fn new(
        dispatch: &'a Dispatch,
        deadline: i64,
        trace: Option<TraceContext>,
        mut own: Vec<u8>,
    ) -> Self {
        let arguments = dispatch.arguments.get();
        let suffix_start = own.len();
        write_suffix(&mut own, dispatch, deadline);
        let prefix = b"{\"value\":";
        let length = prefix.len() + arguments.len() + own.len() - suffix_start;
        let split = own.len();
        write_head(&mut own, "/run", length, trace);
        own.extend_from_slice(prefix);
        // The length stands before what it counts: both parts are in one buffer, the second one first.
        Self { arguments, own, split }
    }

    pub(crate) fn slices(&self) -> [IoSlice<'_>; 3] {
        let (suffix, prefix) = self.own.split_at(self.split);
        [IoSlice::new(prefix), IoSlice::new(self.arguments.as_bytes()), IoSlice::new(suffix)]
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.own
    }
}

fn write_suffix(out: &mut Vec<u8>, dispatch: &Dispatch, deadline: i64) {
    member(out, "namespace", dispatch.caller.namespace.as_str());
    // Names have no character that JSON escapes; those of a caller's making do.
    write(out, format_args!(",\"action_name\":\"/{}\"", dispatch.action.id));
    write(out, format_args!(",\"action_version\":\"{}\"", dispatch.action.version));
    write(out, format_args!(",\"activation_id\":\"{}\"", dispatch.activation_id));
    member(out, "transaction_id", dispatch.transaction.as_str());
    write(out, format_args!(",\"deadline\":\"{deadline}\",\"attempt\":\"{}\"", dispatch.attempt));
    if let Some(ApiKey(key)) = &dispatch.api_key {
        member(out, "api_key", key);
    }
    out.push(b'}');
}

/// `,"name":"value"`
fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    write(out, format_args!(",\"{name}\":"));
    string(out, value);
}

fn string(out: &mut Vec<u8>, value: &str) {
    // Neither a string nor a buffer in memory can fail.
    let _ = serde_json::to_writer(out, value);
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn write_head(out: &mut Vec<u8>, path: &str, length: usize, trace: Option<TraceContext>) {
    write(
        out,
        format_args!(
            "POST {path} HTTP/1.1\r\nHost: action\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        ),
    );
    if let Some(trace) = trace {
        write(out, format_args!("{TRACEPARENT}: {trace}\r\n"));
    }
    out.extend_from_slice(b"\r\n");
}

/// `POST /init` for a new container.
#[derive(Debug)]
pub(crate) struct InitRequest {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl InitRequest {
    /// `code` is source text or base64, `deadline` in milliseconds since the epoch; `trace` is the span that waits for the
    /// answer.
    pub(crate) fn new(
        dispatch: &Dispatch,
        code: Option<&str>,
        deadline: i64,
        trace: Option<TraceContext>,
    ) -> Self {
        let action = &dispatch.action;
        let mut body = Vec::with_capacity(code.map_or(0, |code| code.len() + code.len() / 16) + 1024);
        write(&mut body, format_args!("{{\"value\":{{\"name\":\"{}\"", action.id.name));
        member(&mut body, "main", action.main.as_deref().unwrap_or("main"));
        if let Some(code) = code {
            member(&mut body, "code", code);
        }
        write(&mut body, format_args!(",\"binary\":{},\"env\":{{", action.binary));
        write_environment(&mut body, dispatch, deadline);
        body.extend_from_slice(b"}}}");
        let mut head = Vec::with_capacity(128);
        write_head(&mut head, "/init", body.len(), trace);
        Self { head, body }
    }

    pub(crate) fn slices(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(&self.head), IoSlice::new(&self.body)]
    }
}

/// The platform's variables come last: of members with the same name readers keep that one, so that no parameter passes
/// for a fact of the activation.
fn write_environment(out: &mut Vec<u8>, dispatch: &Dispatch, deadline: i64) {
    for (name, value) in &dispatch.init_environment {
        string(out, name);
        out.push(b':');
        string(out, value);
        out.push(b',');
    }
    write(out, format_args!("\"__OW_NAMESPACE\":"));
    string(out, dispatch.caller.namespace.as_str());
    write(out, format_args!(",\"__OW_ACTION_NAME\":\"/{}\"", dispatch.action.id));
    write(out, format_args!(",\"__OW_ACTION_VERSION\":\"{}\"", dispatch.action.version));
    write(out, format_args!(",\"__OW_ACTIVATION_ID\":\"{}\"", dispatch.activation_id));
    member(out, "__OW_TRANSACTION_ID", dispatch.transaction.as_str());
    write(out, format_args!(",\"__OW_DEADLINE\":\"{deadline}\",\"__OW_ATTEMPT\":\"{}\"", dispatch.attempt));
    if let Some(ApiKey(key)) = &dispatch.api_key {
        member(out, "__OW_API_KEY", key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::run::tests::dispatch;

    fn body(slices: &[IoSlice<'_>]) -> (String, String) {
        let text: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn run_carries_strings_and_the_arguments_as_they_came() {
        let mut dispatch = dispatch(r#"{ "n": 1.00 }"#);
        dispatch.api_key = Some(ApiKey("u:k\"".to_owned()));
        let request = RunRequest::new(&dispatch, 60_000, None, Vec::new());
        let (head, body) = body(&request.slices());
        assert!(head.starts_with("POST /run HTTP/1.1\r\n"));
        assert!(body.starts_with(r#"{"value":{ "n": 1.00 },"namespace":"guest","#), "{body}");
        let value: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            value,
            json!({
                "value": {"n": 1.0}, "namespace": "guest", "action_name": "/guest/pkg/hello", "action_version": "0.0.1",
                "activation_id": dispatch.activation_id.to_string(), "transaction_id": dispatch.transaction.as_str(),
                "deadline": "60000", "attempt": "1", "api_key": "u:k\"",
            })
        );
    }

    #[test]
    fn a_trace_goes_on_in_the_container() {
        let dispatch = dispatch("{}");
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::parse(text);
        let run = RunRequest::new(&dispatch, 0, trace, Vec::new());
        let (head, _) = body(&run.slices());
        assert!(head.ends_with(&format!("\r\ntraceparent: {text}")), "{head}");
        let init = InitRequest::new(&dispatch, None, 0, trace);
        assert!(body(&init.slices()).0.ends_with(&format!("\r\ntraceparent: {text}")));
        let untraced = RunRequest::new(&dispatch, 0, None, Vec::new());
        assert!(!body(&untraced.slices()).0.contains("traceparent"));
    }

    #[test]
    fn init_carries_code_and_environment() {
        let mut dispatch = dispatch("{}");
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        dispatch.init_environment =
            vec![variable("CFG", "{\"a\":1}"), variable("__OW_NAMESPACE", "somebody else's")];
        let request = InitRequest::new(&dispatch, Some("line\n\"two\""), 60_000, None);
        let (head, text) = body(&request.slices());
        assert!(head.starts_with("POST /init HTTP/1.1\r\n"));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({"value": {
                "name": "hello", "main": "main", "code": "line\n\"two\"", "binary": false,
                "env": {
                    "__OW_NAMESPACE": "guest", "__OW_ACTION_NAME": "/guest/pkg/hello", "__OW_ACTION_VERSION": "0.0.1",
                    "__OW_ACTIVATION_ID": dispatch.activation_id.to_string(),
                    "__OW_TRANSACTION_ID": dispatch.transaction.as_str(),
                    "__OW_DEADLINE": "60000", "__OW_ATTEMPT": "1", "CFG": "{\"a\":1}",
                },
            }})
        );
        let without = InitRequest::new(&dispatch, None, 0, None);
        let (_, text) = body(&without.slices());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["value"].get("code").is_none());
    }
}
