//! What the engine of a cluster tells those who watch it.

use std::sync::{Arc, Mutex};

use oxwhisk_controller::Telemetry;
use oxwhisk_trace::{FinishedSpan, SampleRate, SpanSink, Tracer};
use serde_json::json;

use super::cluster::{Cluster, id_of, until};

const REQUEST: &str = "POST /api/v1/namespaces/{namespace}/actions/{action}";

#[derive(Debug, Default)]
struct Told(Mutex<Vec<FinishedSpan>>);

impl SpanSink for Told {
    fn ended(&self, span: FinishedSpan) {
        self.0.lock().unwrap().push(span);
    }
}

impl Told {
    async fn span(&self, name: &str) -> FinishedSpan {
        let find = || self.0.lock().unwrap().iter().find(|span| span.name == name).cloned();
        until(name, async || find()).await
    }

    /// The span of each name is a child of the one before it.
    async fn chain(&self, names: &[&str]) -> FinishedSpan {
        let mut parent = self.span(names[0]).await;
        for name in &names[1..] {
            let span = self.span(name).await;
            assert_eq!((span.context.trace, span.parent), (parent.context.trace, Some(parent.context.span)));
            parent = span;
        }
        parent
    }
}

fn watched() -> (Telemetry, Arc<Told>) {
    let told = Arc::new(Told::default());
    let tracer = Tracer::new(Arc::clone(&told) as Arc<dyn SpanSink>, SampleRate::ALL);
    (Telemetry { tracer, ..Telemetry::default() }, told)
}

async fn shows(telemetry: &Telemetry, line: &str) {
    until(line, async || telemetry.metrics.text().lines().any(|shown| shown == line).then_some(())).await;
}

#[tokio::test]
async fn a_call_is_one_trace_to_the_invoker() {
    let cluster = Cluster::new().await;
    let (telemetry, told) = watched();
    let controller = cluster.controller_watched(0, |config| config, telemetry.clone()).await;
    let invoker = cluster.invoker(0).await;
    controller.sees(1).await;
    controller.create("held", json!([])).await;
    let nothing = json!({});
    let call = controller.call("POST", "actions/held?blocking=true", &nothing);
    let seen = async {
        shows(&telemetry, "oxwhisk_controller_activations_dispatched 1").await;
        invoker.invoker.release();
    };
    let ((status, answer), ()) = tokio::join!(call, seen);
    assert_eq!(status, 200);
    let dispatch = told.chain(&[REQUEST, "dispatch"]).await;
    assert_eq!(dispatch.failure, None);
    // By the writer of its record.
    told.chain(&[REQUEST, "dispatch", "completed process"]).await;
    let record = cluster.recorded(id_of(&answer)).await;
    assert_eq!(record.annotations.string("trace").as_deref(), Some(dispatch.context.to_string().as_str()));
    shows(&telemetry, "oxwhisk_controller_activations_dispatched 0").await;
}

#[tokio::test]
async fn what_is_queued_goes_on_in_the_trace_of_its_request() {
    let cluster = Cluster::new().await;
    let (telemetry, told) = watched();
    let controller = cluster.controller_watched(0, |config| config, telemetry.clone()).await;
    let _invoker = cluster.invoker(0).await;
    controller.create("echo", json!([])).await;
    let id = controller.submit("echo", &json!({})).await;
    let record = cluster.recorded(id).await;
    let dispatch = told.chain(&[REQUEST, "activations send", "activations process", "dispatch"]).await;
    assert_eq!(record.annotations.string("trace").as_deref(), Some(dispatch.context.to_string().as_str()));
    assert!(told.span("activations process").await.parent_is_remote);
    cluster.settled().await;
    shows(&telemetry, "oxwhisk_controller_activations_dispatched 0").await;
}

#[tokio::test]
async fn each_attempt_is_a_span_of_its_own_and_one_without_an_end_has_failed() {
    let cluster = Cluster::new().await;
    let (telemetry, told) = watched();
    let controller = cluster.controller_watched(0, |config| config, telemetry).await;
    let invoker = cluster.invoker(0).await;
    controller.create("held", json!([])).await;
    let id = controller.submit("held", &json!({})).await;
    until("it runs", async || (invoker.runs_of(id).0 == 1).then_some(())).await;
    invoker.kill();
    let other = cluster.invoker(1).await;
    other.invoker.release();
    let record = cluster.recorded(id).await;
    cluster.settled().await;
    let dispatches = || -> Vec<FinishedSpan> {
        told.0.lock().unwrap().iter().filter(|span| span.name == "dispatch").cloned().collect()
    };
    let both = until("two dispatches", async || Some(dispatches()).filter(|both| both.len() == 2)).await;
    let attempts: Vec<_> = both.iter().map(|span| span.attributes[1].clone()).collect();
    assert_eq!(attempts, [("openwhisk.attempt", 1_i64.into()), ("openwhisk.attempt", 2_i64.into())]);
    assert!(both[0].failure.is_some() && both[1].failure.is_none(), "{both:?}");
    assert_eq!(record.annotations.string("trace").as_deref(), Some(both[1].context.to_string().as_str()));
    assert_eq!(both[0].context.trace, both[1].context.trace);
}

#[tokio::test]
async fn what_nobody_takes_is_counted_and_its_span_says_why() {
    let cluster = Cluster::new().await;
    let (telemetry, told) = watched();
    let controller = cluster.controller_watched(0, |config| config, telemetry.clone()).await;
    controller.create("echo", json!([])).await;
    assert_eq!(controller.call("POST", "actions/echo?blocking=true", &json!({})).await.0, 503);
    assert!(told.chain(&[REQUEST, "dispatch"]).await.failure.is_some());
    shows(&telemetry, "oxwhisk_controller_dispatches_refused_total 1").await;
    shows(&telemetry, "oxwhisk_controller_activations_dispatched 0").await;
}
