//! What an invoker tells those who watch it.

use std::sync::{Arc, Mutex};

use oxwhisk_core::entity::Activation;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker::{InvokerConfig, InvokerTelemetry};
use oxwhisk_invoker_api::{Caller, EndedObserver};
use oxwhisk_metrics::Metrics;
use oxwhisk_trace::{FinishedSpan, SampleRate, SpanSink, Tracer};
use serde_json::json;

use crate::fixture::{Fixture, action, config, dispatch, eventually};

#[derive(Debug, Default)]
struct Told {
    spans: Mutex<Vec<FinishedSpan>>,
    ended: Mutex<Vec<(Caller, Arc<Activation>)>>,
}

impl SpanSink for Told {
    fn ended(&self, span: FinishedSpan) {
        self.spans.lock().unwrap().push(span);
    }
}

impl EndedObserver for Told {
    fn ended(&self, caller: &Caller, record: &Arc<Activation>) {
        self.ended.lock().unwrap().push((caller.clone(), Arc::clone(record)));
    }
}

impl Told {
    fn span(&self, name: &str) -> FinishedSpan {
        let spans = self.spans.lock().unwrap();
        let [span] = &spans.iter().filter(|span| span.name == name).collect::<Vec<_>>()[..] else {
            panic!("not one {name}: {spans:?}")
        };
        (*span).clone()
    }
}

async fn told() -> (Fixture, Arc<Told>) {
    let told = Arc::new(Told::default());
    let tracer = Tracer::new(Arc::clone(&told) as Arc<dyn SpanSink>, SampleRate::NONE);
    let ended = Some(Arc::clone(&told) as Arc<dyn EndedObserver>);
    let config = InvokerConfig { telemetry: InvokerTelemetry { tracer, ended }, ..config() };
    (Fixture::with(config).await, told)
}

const CONTROLLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_trace_goes_through_to_the_container_and_back() {
    let (fixture, told) = told().await;
    let mut traced = dispatch(&action("hello"), &json!({}));
    traced.trace = TraceContext::parse(CONTROLLER);
    fixture.run(traced.clone()).await;
    let activation = told.span("activation");
    assert_eq!(activation.parent, traced.trace.map(|trace| trace.span));
    assert!(activation.parent_is_remote && activation.failure.is_none());
    for name in ["container", "POST /init", "POST /run", "completed send"] {
        let span = told.span(name);
        assert_eq!(span.context.trace, activation.context.trace);
        assert_eq!(span.parent, Some(activation.context.span), "{name}");
    }
    let seen = fixture.factory.container(0).state.traces.lock().unwrap().clone();
    let sent = |path: &str, span: &str| (path.to_owned(), Some(told.span(span).context.to_string()));
    assert_eq!(seen, [sent("/init", "POST /init"), sent("/run", "POST /run")]);
    // Warm, there is only the run.
    told.spans.lock().unwrap().clear();
    fixture.run(traced).await;
    let names: Vec<_> = told.spans.lock().unwrap().iter().map(|span| span.name).collect();
    assert_eq!(names, ["POST /run", "completed send", "activation"]);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_not_recorded_is_passed_on_and_what_is_not_traced_is_not_made_up() {
    let (fixture, told) = told().await;
    let mut unsampled = dispatch(&action("hello"), &json!({}));
    unsampled.trace = TraceContext::parse(&CONTROLLER.replace("-01", "-00"));
    let sent = unsampled.trace.map(|trace| trace.to_string());
    fixture.run(unsampled).await;
    fixture.run(dispatch(&action("hello"), &json!({}))).await;
    let seen = fixture.factory.container(0).state.traces.lock().unwrap().clone();
    let seen: Vec<_> = seen.into_iter().map(|(_, trace)| trace).collect();
    assert_eq!(seen, [sent.clone(), sent, None]);
    assert!(told.spans.lock().unwrap().is_empty());
    fixture.stop().await;
}

#[tokio::test]
async fn observers_are_told_of_each_end_once() {
    let (fixture, told) = told().await;
    let unstored = {
        let mut dispatch = dispatch(&action("hello"), &json!({}));
        dispatch.store = oxwhisk_invoker_api::StorePolicy::NEVER;
        dispatch
    };
    // Its record is kept a second time with its logs, but it ends once.
    let late = dispatch(&action("hello"), &json!({"marks": "after"}));
    for dispatch in [unstored, late.clone()] {
        fixture.run(dispatch).await;
    }
    eventually("the late logs are there", || fixture.records.of(late.activation_id).len() == 2).await;
    fixture.set_code("broken", Err(oxwhisk_invoker_api::CodeError::NotFound));
    fixture.run(dispatch(&action("broken"), &json!({}))).await;
    let ended = std::mem::take(&mut *told.ended.lock().unwrap());
    let names: Vec<_> = ended.iter().map(|(_, record)| record.name.as_str()).collect();
    assert_eq!(names, ["hello", "hello", "broken"]);
    assert_eq!(ended[0].0.namespace.as_str(), "guest");
    fixture.stop().await;
}

#[tokio::test]
async fn a_scrape_shows_the_pool() {
    let fixture = Fixture::new().await;
    let metrics = Metrics::new();
    metrics.add(fixture.invoker.metrics_source());
    let running = fixture.spawn(dispatch(&action("hello"), &json!({"do": "wait"})));
    eventually("it runs", || metrics.text().contains("oxwhisk_invoker_containers{state=\"busy\"} 1\n")).await;
    fixture.factory.run_gate.add_permits(1);
    running.await.unwrap().unwrap();
    let text = metrics.text();
    for line in [
        "oxwhisk_invoker_containers{state=\"busy\"} 0",
        "oxwhisk_invoker_containers{state=\"idle\"} 1",
        "oxwhisk_invoker_memory_megabytes{of=\"all\"} 1024",
        "oxwhisk_invoker_memory_megabytes{of=\"idle_containers\"} 256",
        "oxwhisk_invoker_waiting 0",
        "oxwhisk_invoker_container_starts_total{start=\"cold\"} 1",
        "oxwhisk_invoker_run_seconds_count 1",
        "oxwhisk_invoker_init_seconds_count 1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    fixture.stop().await;
    drop(metrics);
}
