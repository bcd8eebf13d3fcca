//! The bodies of `/init` and `/run`, byte for byte as the runtimes expect them. Pure.
//!
//! Every value but the arguments and the code is a string, the numbers too. The arguments pass through as they came.

use std::io::{IoSlice, Write};

use oxwhisk_core::trace::{TRACEPARENT, TraceContext};
use oxwhisk_invoker_api::{ApiKey, CacheToken, Dispatch};

/// What a request says that is of this call and not of the dispatch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    /// Milliseconds since the epoch at which the call is over its limit.
    pub(crate) deadline: i64,
    /// The span that waits for the answer.
    pub(crate) trace: Option<TraceContext>,
    pub(crate) cache: CacheFacts<'a>,
}

/// What the action is told of the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CacheFacts<'a> {
    /// It has not asked.
    Nothing,
    Access {
        url: &'a str,
        token: &'a CacheToken,
    },
    /// Why it has none.
    Error(&'a str),
}

/// `POST /run` for one activation.
#[derive(Debug)]
pub(crate) struct RunRequest<'a> {
    arguments: &'a str,
    /// Head and the start of the body, then what follows the arguments.
    own: Vec<u8>,
    split: usize,
}

impl<'a> RunRequest<'a> {
    /// Writes the request into `own`, which is empty.
    pub(crate) fn new(dispatch: &'a Dispatch, circumstances: Circumstances<'_>, mut own: Vec<u8>) -> Self {
        let arguments = dispatch.arguments.get();
        let suffix_start = own.len();
        write_suffix(&mut own, dispatch, circumstances);
        let prefix = b"{\"value\":";
        let length = prefix.len() + arguments.len() + own.len() - suffix_start;
        let split = own.len();
        write_head(&mut own, "/run", length, circumstances.trace);
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

fn write_suffix(out: &mut Vec<u8>, dispatch: &Dispatch, circumstances: Circumstances<'_>) {
    let Circumstances { deadline, cache, .. } = circumstances;
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
    match cache {
        CacheFacts::Nothing => {}
        CacheFacts::Access { url, token } => {
            member(out, "cache_url", url);
            member(out, "cache_token", &token.0);
        }
        CacheFacts::Error(reason) => member(out, "cache_error", reason),
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
    /// `code` is source text or base64.
    pub(crate) fn new(dispatch: &Dispatch, code: Option<&str>, circumstances: Circumstances<'_>) -> Self {
        let action = &dispatch.action;
        let mut body = Vec::with_capacity(code.map_or(0, |code| code.len() + code.len() / 16) + 1024);
        write(&mut body, format_args!("{{\"value\":{{\"name\":\"{}\"", action.id.name));
        member(&mut body, "main", action.main.as_deref().unwrap_or("main"));
        if let Some(code) = code {
            member(&mut body, "code", code);
        }
        write(&mut body, format_args!(",\"binary\":{},\"env\":{{", action.binary));
        write_environment(&mut body, dispatch, circumstances);
        body.extend_from_slice(b"}}}");
        let mut head = Vec::with_capacity(128);
        write_head(&mut head, "/init", body.len(), circumstances.trace);
        Self { head, body }
    }

    pub(crate) fn slices(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(&self.head), IoSlice::new(&self.body)]
    }
}

/// The platform's variables come last: of members with the same name readers keep that one, so that no parameter passes
/// for a fact of the activation.
fn write_environment(out: &mut Vec<u8>, dispatch: &Dispatch, circumstances: Circumstances<'_>) {
    let Circumstances { deadline, cache, .. } = circumstances;
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
    if let CacheFacts::Access { url, token } = cache {
        member(out, "__OW_CACHE_URL", url);
        member(out, "__OW_CACHE_TOKEN", &token.0);
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

    fn circumstances(deadline: i64, trace: Option<TraceContext>) -> Circumstances<'static> {
        Circumstances { deadline, trace, cache: CacheFacts::Nothing }
    }

    #[test]
    fn the_cache_is_told_of_where_it_was_asked_for() {
        let mut dispatch = dispatch("{}");
        let variable = |name: &str| (name.to_owned(), "forged".to_owned());
        dispatch.init_environment = vec![variable("__OW_CACHE_TOKEN"), variable("__OW_CACHE_URL")];
        let token = CacheToken("t\"k".to_owned());
        let of = |cache| {
            let circumstances = Circumstances { deadline: 0, trace: None, cache };
            let run = RunRequest::new(&dispatch, circumstances, Vec::new());
            let init = InitRequest::new(&dispatch, None, circumstances);
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let (run, init) = (value(&body(&run.slices()).1), value(&body(&init.slices()).1));
            let run = ["cache_url", "cache_token", "cache_error"].map(|name| run[name].clone());
            let init = ["__OW_CACHE_URL", "__OW_CACHE_TOKEN"].map(|name| init["value"]["env"][name].clone());
            (run, init)
        };
        let null = Value::Null;
        let (run, init) = of(CacheFacts::Access { url: "redis://c:6379", token: &token });
        assert_eq!(run, [json!("redis://c:6379"), json!("t\"k"), null.clone()]);
        assert_eq!(init, [json!("redis://c:6379"), json!("t\"k")]);
        // Without a cache these are names like any other.
        let (run, init) = of(CacheFacts::Error("aw\"ay"));
        assert_eq!(run, [null.clone(), null.clone(), json!("aw\"ay")]);
        assert_eq!(init, [json!("forged"), json!("forged")]);
        assert_eq!(of(CacheFacts::Nothing).0, [null.clone(), null.clone(), null]);
    }

    #[test]
    fn run_carries_strings_and_the_arguments_as_they_came() {
        let mut dispatch = dispatch(r#"{ "n": 1.00 }"#);
        dispatch.api_key = Some(ApiKey("u:k\"".to_owned()));
        let request = RunRequest::new(&dispatch, circumstances(60_000, None), Vec::new());
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
        let run = RunRequest::new(&dispatch, circumstances(0, trace), Vec::new());
        let (head, _) = body(&run.slices());
        assert!(head.ends_with(&format!("\r\ntraceparent: {text}")), "{head}");
        let init = InitRequest::new(&dispatch, None, circumstances(0, trace));
        assert!(body(&init.slices()).0.ends_with(&format!("\r\ntraceparent: {text}")));
        let untraced = RunRequest::new(&dispatch, circumstances(0, None), Vec::new());
        assert!(!body(&untraced.slices()).0.contains("traceparent"));
    }

    #[test]
    fn init_carries_code_and_environment() {
        let mut dispatch = dispatch("{}");
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        dispatch.init_environment =
            vec![variable("CFG", "{\"a\":1}"), variable("__OW_NAMESPACE", "somebody else's")];
        let request = InitRequest::new(&dispatch, Some("line\n\"two\""), circumstances(60_000, None));
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
        let without = InitRequest::new(&dispatch, None, circumstances(0, None));
        let (_, text) = body(&without.slices());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["value"].get("code").is_none());
    }
}
