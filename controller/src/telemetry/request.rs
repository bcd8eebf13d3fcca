//! One request from its head to its answer.

use std::time::Instant;

use http::{HeaderMap, Method, Request, StatusCode};
use oxwhisk_core::id::TransactionId;
use oxwhisk_core::trace::{TRACEPARENT, TraceContext};
use oxwhisk_metrics::Held;
use oxwhisk_trace::{Span, SpanKind};

use super::Watch;
use super::counts::method_index;

/// A request that is watched. One whose client goes before the answer is counted as open until then, and nowhere else.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    watch: &'a Watch,
    method: usize,
    begun: Instant,
    span: Span,
    _open: Held<'a>,
}

impl Watch {
    /// A request has come.
    pub(crate) fn begin<B>(&self, request: &Request<B>, transaction: &TransactionId) -> Watched<'_> {
        let (method, path) = (request.method(), request.uri().path());
        let client = trace_of(request.headers());
        let mut span = match span_name(method, path) {
            Some(name) => self.tracer.entry(name, SpanKind::Server, client),
            None => Span::none(client),
        };
        span.set("http.request.method", || method.to_string());
        span.set("url.path", || path.to_owned());
        span.set("openwhisk.transaction", || transaction.to_string());
        Watched {
            watch: self,
            method: method_index(method),
            begun: Instant::now(),
            span,
            _open: self.counts.open.hold(),
        }
    }
}

impl Watched<'_> {
    /// What happens for the request belongs here.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        self.span.context()
    }

    /// The request is answered.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.span.set("http.response.status_code", || status.as_u16());
        if status.is_server_error() {
            self.span.fail(|| status.canonical_reason().unwrap_or_default());
        }
        self.watch.counts.answered.record(self.begun.elapsed());
        self.watch.counts.request(self.method, status);
    }
}

/// The client's trace. One that is named twice is none.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    TraceContext::parse(only.to_str().ok()?)
}

/// How the span of a request is called: by its route, so that spans of one route are found together. `None`: not traced,
/// since nobody but a probe asks.
fn span_name(method: &Method, path: &str) -> Option<&'static str> {
    let mut segments = path.strip_prefix("/api/v1/namespaces/")?.split('/').skip(1);
    let collection = segments.next().unwrap_or_default();
    Some(match (method.as_str(), collection, segments.next().is_some_and(|name| !name.is_empty())) {
        ("POST", "actions", true) => "POST /api/v1/namespaces/{namespace}/actions/{action}",
        ("PUT", "actions", true) => "PUT /api/v1/namespaces/{namespace}/actions/{action}",
        ("GET", "actions", true) => "GET /api/v1/namespaces/{namespace}/actions/{action}",
        ("DELETE", "actions", true) => "DELETE /api/v1/namespaces/{namespace}/actions/{action}",
        ("GET", "activations", true) => "GET /api/v1/namespaces/{namespace}/activations/{activation}",
        ("GET", ..) => "GET /api/v1/namespaces/",
        ("POST", ..) => "POST /api/v1/namespaces/",
        ("PUT", ..) => "PUT /api/v1/namespaces/",
        ("DELETE", ..) => "DELETE /api/v1/namespaces/",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_called_by_route() {
        let name = |method: Method, path| span_name(&method, path);
        let invoke = Some("POST /api/v1/namespaces/{namespace}/actions/{action}");
        assert_eq!(name(Method::POST, "/api/v1/namespaces/_/actions/hello"), invoke);
        assert_eq!(name(Method::POST, "/api/v1/namespaces/_/actions/pkg/hello"), invoke);
        assert_eq!(name(Method::GET, "/api/v1/namespaces/_/actions"), Some("GET /api/v1/namespaces/"));
        assert_eq!(name(Method::GET, "/api/v1/namespaces/_/actions/"), Some("GET /api/v1/namespaces/"));
        for probe in ["/ping", "/", "/api/v1", "/metrics", "/invokers"] {
            assert_eq!(name(Method::GET, probe), None, "{probe}");
        }
    }

    #[test]
    fn a_trace_is_read_from_its_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(trace_of(&headers), None);
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.append(TRACEPARENT, value.parse().unwrap());
        assert_eq!(trace_of(&headers).map(|trace| trace.to_string()).as_deref(), Some(value));
        headers.append(TRACEPARENT, value.parse().unwrap());
        assert_eq!(trace_of(&headers), None);
    }
}
