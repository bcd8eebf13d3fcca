//! One trace from the HTTP request to `/run` and back, through the real `controller` and `invoker`, with Kafka and gRPC
//! between them, as a collector gets it over OTLP.
//!
//! The cluster was told where the collector is before there was one: it starts with the first of these tests.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{Response, Tenant, action, report, shared};
use oxwhisk_otlp_receiver::{Receiver, Seen, SeenSpan, SpanKind};
use serde_json::json;
use tokio::runtime::Runtime;

/// Where processes of the cluster send spans, and the collector is to be.
const COLLECTOR_VARIABLE: &str = "OXWHISK_CLUSTER_OTLP";

const REQUEST: &str = "POST /api/v1/namespaces/{namespace}/actions/{action}";
/// Within a request that waits.
const CALL: [&str; 2] = ["dispatch", REQUEST];
/// Within one that does not.
const QUEUED: [&str; 4] = ["dispatch", "activations process", "activations send", REQUEST];
/// What comes of an action that no invoker has a container for, up to its record in the store.
const COLD: [&str; 6] =
    ["activation", "container", "POST /init", "POST /run", "completed send", "completed process"];

/// A client's own span.
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

struct Collector {
    runtime: Runtime,
    receiver: Receiver,
}

/// The one of this run; `None`, and a line that says so, where nobody sends it anything.
fn collector(test: &str) -> Option<&'static Collector> {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    Cluster::to_watch(test)?;
    let Ok(endpoint) = std::env::var(COLLECTOR_VARIABLE) else {
        report::skipped(test, &format!("the cluster exports no traces ({COLLECTOR_VARIABLE})"));
        return None;
    };
    Some(COLLECTOR.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let address = endpoint.strip_prefix("http://").expect("a collector without TLS");
        let receiver = runtime.block_on(Receiver::start_at(address));
        Collector { runtime, receiver }
    }))
}

impl Collector {
    /// The trace of an activation, once spans of these names have ended in it.
    #[track_caller]
    fn trace_of(&self, activation: &str, names: &[&str]) -> Seen {
        let whole = |seen: &Seen| {
            let traces = traces_of(seen, activation);
            let trace = traces.first().map(|trace| seen.of_trace(trace));
            trace.is_some_and(|trace| names.iter().all(|name| trace.has(name)))
        };
        let seen = self.runtime.block_on(self.receiver.until(whole));
        let traces = traces_of(&seen, activation);
        assert_eq!(traces.len(), 1, "{traces:?}");
        let trace = seen.of_trace(traces.first().expect("one"));
        let said: BTreeSet<&str> = trace.spans.iter().map(|span| span.name.as_str()).collect();
        let mut expected: BTreeSet<&str> = names.iter().copied().collect();
        // Logs that come after the answer are a span of their own.
        expected.extend(said.get("logs").copied());
        assert_eq!(said, expected, "{trace:#?}");
        trace
    }
}

/// The traces with a span that names the activation.
fn traces_of<'a>(seen: &'a Seen, activation: &str) -> BTreeSet<&'a str> {
    let names_it =
        |span: &&SeenSpan| span.attributes.get("openwhisk.activation_id") == Some(&json!(activation));
    seen.spans.iter().filter(names_it).map(|span| span.trace.as_str()).collect()
}

/// All spans hang together below the request, which itself is a child of `client`.
#[track_caller]
fn assert_tree(trace: &Seen, client: &str) {
    let ids: BTreeSet<&str> = trace.spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), trace.spans.len(), "a span came twice: {trace:#?}");
    assert_eq!(trace.span(REQUEST).parent, client);
    for span in trace.spans.iter().filter(|span| span.name != REQUEST) {
        assert!(ids.contains(span.parent.as_str()), "'{}' hangs in the air: {trace:#?}", span.name);
    }
}

/// The names of all spans around one, from the inside out.
fn around<'a>(trace: &'a Seen, span: &SeenSpan) -> Vec<&'a str> {
    let parent = |span: &SeenSpan| trace.spans.iter().find(|other| other.id == span.parent);
    std::iter::successors(parent(span), |span| parent(span)).map(|span| span.name.as_str()).collect()
}

/// What is the same for all activations: an invoker's spans, within those of the controller that dispatched it.
#[track_caller]
fn assert_ran(trace: &Seen, controllers: &[&str]) {
    assert_eq!(around(trace, trace.span("activation")), controllers);
    let invokers = [&["activation"], controllers].concat();
    for (name, kind) in [
        ("container", SpanKind::Internal),
        ("POST /init", SpanKind::Client),
        ("POST /run", SpanKind::Client),
        ("completed send", SpanKind::Producer),
    ] {
        // Logs that come late make a second record.
        for span in trace.named(name) {
            assert_eq!(around(trace, span), invokers, "{name}");
            assert_eq!((span.kind, &span.failure), (kind, &None), "{name}");
            assert_eq!(span.instance, trace.span("activation").instance, "{name}");
        }
    }
    for written in trace.named("completed process") {
        assert_eq!(around(trace, written)[0], "completed send");
        assert_eq!((written.kind, written.service.as_str()), (SpanKind::Consumer, "controller"));
    }
    let activation = trace.span("activation");
    assert_eq!((activation.kind, activation.service.as_str()), (SpanKind::Server, "invoker"));
    assert!(activation.instance.starts_with("invoker"), "{activation:?}");
    let request = trace.span(REQUEST);
    assert_eq!((request.kind, request.service.as_str()), (SpanKind::Server, "controller"));
    for dispatch in trace.named("dispatch") {
        assert_eq!((dispatch.kind, dispatch.service.as_str()), (SpanKind::Client, "controller"));
        assert!(dispatch.instance.starts_with("controller"), "{dispatch:?}");
    }
}

/// With an action that no container was ever started for.
fn tenant() -> Tenant {
    let tenant = shared::tenant();
    tenant.create("traced", &action::nodejs(action::ECHO));
    tenant
}

/// Invokes as a client that has a trace of its own.
#[track_caller]
fn within(tenant: &Tenant, traceparent: &str, query: &str) -> Response {
    let request = tenant.request("POST", &format!("actions/traced{query}"));
    request.header("traceparent", traceparent).json(&json!({})).send()
}

/// Of a client, as no other client has it.
fn new_trace() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[test]
fn a_blocking_call_is_one_trace() {
    let Some(collector) = collector("a_blocking_call_is_one_trace") else { return };
    let tenant = tenant();
    let answer = tenant.call("traced", &json!({})).expect(200);
    let trace = collector.trace_of(&activation_id(&answer), &[&CALL[..], &COLD].concat());
    assert_tree(&trace, "");
    assert_ran(&trace, &CALL);
    let said = |name: &str, attribute: &str| trace.span(name).attributes[attribute].clone();
    assert_eq!(said(REQUEST, "http.response.status_code"), json!(200));
    assert_eq!(said(REQUEST, "url.path"), json!("/api/v1/namespaces/_/actions/traced"));
    assert_eq!(said("activation", "openwhisk.action"), json!(format!("{}/traced", tenant.namespace())));
    assert_eq!(said("activation", "openwhisk.status"), json!("success"));
    // Another call is another trace.
    let again = tenant.call("traced", &json!({})).expect(200);
    let ran = ["dispatch", REQUEST, "activation", "POST /run", "completed send"];
    let seen = collector.runtime.block_on(collector.receiver.until(|seen| {
        let other = traces_of(seen, &activation_id(&again)).first().map(|other| seen.of_trace(other));
        other.is_some_and(|other| ran.iter().all(|name| other.has(name)))
    }));
    let other = traces_of(&seen, &activation_id(&again));
    assert!(other.len() == 1 && !other.contains(trace.spans[0].trace.as_str()), "{other:?}");
}

#[test]
fn a_call_that_is_queued_is_one_trace_through_kafka() {
    let Some(collector) = collector("a_call_that_is_queued_is_one_trace_through_kafka") else { return };
    let tenant = tenant();
    let id = tenant.fire("traced", &json!({}));
    tenant.record(&id);
    let trace = collector.trace_of(&id, &[&QUEUED[..], &COLD].concat());
    assert_tree(&trace, "");
    assert_ran(&trace, &QUEUED);
    for (name, kind) in
        [("activations send", SpanKind::Producer), ("activations process", SpanKind::Consumer)]
    {
        let span = trace.span(name);
        assert_eq!((span.kind, span.service.as_str()), (kind, "controller"), "{name}");
    }
    assert_eq!(trace.span(REQUEST).attributes["http.response.status_code"], json!(202));
}

#[test]
fn a_clients_trace_is_gone_on_with() {
    let Some(collector) = collector("a_clients_trace_is_gone_on_with") else { return };
    for (query, status, controllers) in [("?blocking=true", 200, &CALL[..]), ("", 202, &QUEUED)] {
        let (tenant, own) = (tenant(), new_trace());
        let answer = within(&tenant, &format!("00-{own}-{CLIENT_SPAN}-01"), query).expect(status);
        let trace = collector.trace_of(&activation_id(&answer), &[controllers, &COLD].concat());
        assert!(trace.spans.iter().all(|span| span.trace == own), "{trace:#?}");
        assert_tree(&trace, CLIENT_SPAN);
        assert_ran(&trace, controllers);
    }
}

#[test]
fn a_client_may_want_nothing_recorded() {
    let Some(collector) = collector("a_client_may_want_nothing_recorded") else { return };
    let (tenant, unwanted, wanted) = (tenant(), new_trace(), new_trace());
    within(&tenant, &format!("00-{unwanted}-{CLIENT_SPAN}-00"), "?blocking=true").expect(200);
    // By the same way behind it, so that spans of the first one would have come before.
    let answer = within(&tenant, &format!("00-{wanted}-{CLIENT_SPAN}-01"), "?blocking=true").expect(200);
    let id = activation_id(&answer);
    let seen = collector.runtime.block_on(collector.receiver.until(|seen| {
        let trace = seen.of_trace(&wanted);
        trace.has(REQUEST) && trace.has("activation")
    }));
    assert_eq!(traces_of(&seen, &id), BTreeSet::from([wanted.as_str()]));
    assert_eq!(seen.of_trace(&unwanted).spans.len(), 0, "{:?}", seen.of_trace(&unwanted));
}
