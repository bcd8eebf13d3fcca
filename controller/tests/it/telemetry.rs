//! What a controller tells those who watch it.

use std::sync::Arc;

use oxwhisk_controller::Telemetry;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_events::{ActionMetrics, Outlets, Publisher};
use oxwhisk_messaging::{Bus, Channel, Heard};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Parts, until};

fn action() -> Value {
    json!({"exec": {"kind": "go:1", "code": "x"}})
}

#[tokio::test]
async fn metrics_count_requests_activations_and_records() {
    let parts = Parts::new().await;
    let telemetry = Telemetry { metrics_on_api: true, ..Telemetry::default() };
    let platform = parts.start_watched(telemetry).await;
    assert_eq!(platform.call("PUT", "actions/a", &action()).await.0, 200);
    assert_eq!(platform.call("POST", "actions/a?blocking=true", &json!({})).await.0, 200);
    assert_eq!(platform.call("POST", "actions/a", &json!({})).await.0, 202);
    assert_eq!(platform.call("POST", "actions/none?blocking=true", &json!({})).await.0, 404);
    let expected = [
        "oxwhisk_controller_requests_total{method=\"PUT\",status=\"200\"} 1",
        "oxwhisk_controller_requests_total{method=\"POST\",status=\"200\"} 1",
        "oxwhisk_controller_requests_total{method=\"POST\",status=\"202\"} 1",
        "oxwhisk_controller_requests_total{method=\"POST\",status=\"404\"} 1",
        // The scrape itself.
        "oxwhisk_controller_requests_open 1",
        "oxwhisk_controller_activations_total{kind=\"blocking\"} 2",
        "oxwhisk_controller_activations_total{kind=\"nonblocking\"} 1",
        "oxwhisk_controller_activations_dispatched 0",
        "oxwhisk_bus_available 1",
        "oxwhisk_bus_depth{topic=\"activations\"} 0",
        "oxwhisk_records_accepted_total 2",
        "oxwhisk_records_written_total 2",
        "oxwhisk_records_pending 0",
    ];
    until("all is counted", async || {
        let (status, text) = platform.get("/metrics").await;
        assert_eq!(status, 200);
        expected.iter().all(|line| text.lines().any(|shown| shown == *line)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn metrics_are_not_served_to_clients_unless_asked_for() {
    let platform = Parts::new().await.start().await;
    assert_eq!(platform.get("/metrics").await.0, 404);
}

#[tokio::test]
async fn a_refused_namespace_is_counted_and_told() {
    let parts = Parts::new().await;
    parts.limit(UserLimits { invocations_per_minute: Some(0), ..UserLimits::default() }).await;
    let bus = Arc::clone(&parts.bus) as Arc<dyn Bus>;
    let mut listener = bus.listen(Channel::Events, std::time::Duration::ZERO).await.unwrap();
    let actions = Arc::new(ActionMetrics::new(10));
    let outlets = Outlets { bus: Some(bus), actions: Some(Arc::clone(&actions)) };
    let (events, publisher) = Publisher::new("controller0", outlets);
    let stop = CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(stop.clone()));
    let telemetry = Telemetry { metrics_on_api: true, events, ..Telemetry::default() };
    telemetry.metrics.add(actions);
    let platform = parts.start_watched(telemetry).await;
    assert_eq!(platform.call("POST", "actions/a?blocking=true", &json!({})).await.0, 429);
    let heard = tokio::time::timeout(std::time::Duration::from_secs(20), listener.next()).await.unwrap();
    let Ok(Heard::Message { payload, .. }) = heard else { panic!("no event: {heard:?}") };
    let event: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((&event["source"], &event["namespace"]), (&json!("controller0"), &json!("me")));
    assert_eq!(event["body"], json!({"metricName": "TimedRateLimit", "metricValue": 1}));
    let (_, text) = platform.get("/metrics").await;
    for line in [
        "oxwhisk_controller_throttled_total{limit=\"timed\"} 1",
        "openwhisk_action_limit_timed_total{namespace=\"me\"} 1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    stop.cancel();
    publishing.await.unwrap();
}
