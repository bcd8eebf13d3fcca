//! One trace from the HTTP request to `/run` and back, as a collector sees it.

mod cluster;
mod container;
mod kafka;
mod platform;

use oxwhisk_otlp::{Collector, start};
use oxwhisk_otlp_receiver::{Receiver, Seen, SpanKind as SeenKind};
use oxwhisk_trace::{SampleRate, SpanKind};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use platform::{Platform, Way};

/// A client's own span.
const CLIENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{CLIENT_TRACE}-{CLIENT_SPAN}-01")
}

const REQUEST: &str = "POST /api/v1/namespaces/{namespace}/actions/{action}";

/// The span of each name is a child of the one before it, the first one of the client's.
#[track_caller]
fn assert_chain(seen: &Seen, names: &[&str]) {
    let mut parent = CLIENT_SPAN.to_owned();
    for name in names {
        let span = seen.span(name);
        assert_eq!(span.trace, CLIENT_TRACE, "{name}");
        assert_eq!(span.parent, parent, "the parent of {name}: {seen:?}");
        parent.clone_from(&span.id);
    }
}

#[tokio::test]
async fn a_blocking_call_is_one_trace() {
    let receiver = Receiver::start().await;
    let platform = Platform::start(&receiver, Way::one_process()).await;
    let (status, _) = platform.invoke("hello?blocking=true", Some(&traceparent())).await;
    assert_eq!(status, 200);
    let seen = receiver.until(|seen| seen.has(REQUEST)).await;
    assert_chain(&seen, &[REQUEST, "dispatch", "activation", "POST /run"]);
    for name in ["container", "POST /init"] {
        assert_eq!(seen.span(name).parent, seen.span("activation").id, "{name}");
    }
    assert_eq!(seen.span(REQUEST).attributes["http.response.status_code"], json!(200));
    assert_eq!(seen.span(REQUEST).kind, SeenKind::Server);
    assert_eq!(seen.span("POST /run").kind, SeenKind::Client);
    assert_eq!(
        (seen.span(REQUEST).service.as_str(), seen.span(REQUEST).instance.as_str()),
        ("platform", "platform0")
    );
    // What the container got is the span that waits for its answer.
    let run = seen.span("POST /run");
    assert_eq!(platform.traces("/run"), [format!("00-{}-{}-01", run.trace, run.id)]);
    platform.stop().await;
}

/// What is the same on every bus.
async fn a_non_blocking_call(receiver: &Receiver, platform: Platform) {
    let (status, _) = platform.invoke("hello", Some(&traceparent())).await;
    assert_eq!(status, 202);
    let seen = receiver.until(|seen| seen.has("activations process") && seen.has(REQUEST)).await;
    let chain = [REQUEST, "activations send", "activations process", "dispatch", "activation", "POST /run"];
    assert_chain(&seen, &chain);
    assert_eq!(seen.span("activations send").kind, SeenKind::Producer);
    assert_eq!(seen.span("activations process").kind, SeenKind::Consumer);
    let run = seen.span("POST /run");
    assert_eq!(platform.traces("/run"), [format!("00-{}-{}-01", run.trace, run.id)]);
    platform.stop().await;
}

#[tokio::test]
async fn a_non_blocking_call_is_one_trace() {
    let receiver = Receiver::start().await;
    let platform = Platform::start(&receiver, Way::one_process()).await;
    a_non_blocking_call(&receiver, platform).await;
}

#[tokio::test]
async fn a_trace_goes_through_a_cluster() {
    let receiver = Receiver::start().await;
    let platform = Platform::start(&receiver, Way::cluster()).await;
    a_non_blocking_call(&receiver, platform).await;
}

#[tokio::test]
async fn a_trace_goes_through_kafka() {
    let Some(bus) = kafka::bus("a_trace_goes_through_kafka").await else { return };
    let receiver = Receiver::start().await;
    let platform = Platform::start(&receiver, Way::Cluster(bus)).await;
    a_non_blocking_call(&receiver, platform).await;
}

#[tokio::test]
async fn a_failure_is_told_in_its_spans() {
    let receiver = Receiver::start().await;
    let platform = Platform::start(&receiver, Way::one_process()).await;
    let (status, _) = platform.invoke("dies?blocking=true", Some(&traceparent())).await;
    assert_eq!(status, 502);
    let seen = receiver.until(|seen| seen.has(REQUEST)).await;
    assert_eq!(seen.span("POST /run").failure.as_deref(), Some("no answer"));
    assert_eq!(seen.span("activation").attributes["openwhisk.status"], json!("action developer error"));
    assert_eq!(seen.span(REQUEST).failure.as_deref(), Some("Bad Gateway"));
    platform.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_want_its_trace_recorded_still_has_it() {
    let receiver = Receiver::start().await;
    let platform = Platform::start(&receiver, Way::one_process()).await;
    let unsampled = traceparent().replace("-01", "-00");
    let (status, _) = platform.invoke("hello?blocking=true", Some(&unsampled)).await;
    assert_eq!(status, 200);
    assert_eq!(platform.traces("/run"), [unsampled]);
    // A recorded one behind it: so the other would have been seen, too.
    platform.invoke("hello?blocking=true", Some(&traceparent())).await;
    let seen = receiver.until(|seen| seen.has(REQUEST)).await;
    assert_eq!(seen.named(REQUEST).len(), 1);
    platform.stop().await;
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    let receiver = Receiver::start().await;
    let collector = Collector { endpoint: receiver.endpoint(), authority: None, rate: SampleRate::ALL };
    receiver.stop().await;
    let (tracer, exporter) = start(&collector, "platform", "platform0").expect("an address");
    let (counts, stop) = (exporter.counts(), CancellationToken::new());
    let exporting = tokio::spawn(exporter.run(stop.clone()));
    const SPANS: usize = 20_000;
    for _ in 0..SPANS {
        drop(tracer.entry("request", SpanKind::Server, None));
    }
    // More than may wait: the rest was dropped at once.
    let metrics = oxwhisk_metrics::Metrics::new();
    metrics.add(counts);
    let dropped = |text: &str| -> usize {
        let line = text.lines().find_map(|line| line.strip_prefix("oxwhisk_spans_dropped_total "));
        line.and_then(|number| number.parse().ok()).expect("a number")
    };
    assert!(dropped(&metrics.text()) > 0);
    stop.cancel();
    tokio::time::timeout(platform::DEADLINE, exporting).await.expect("it stops").expect("without a panic");
    assert!(metrics.text().contains("oxwhisk_spans_exported_total 0\n"));
}
