//! User events of the real binaries, as OpenWhisk's own `user-events` service reads them from Kafka.

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{Tenant, action, shared};
use serde_json::{Value, json};

/// The first event that `wanted` takes. Everything before it is an event, too.
#[track_caller]
fn find(cluster: &Cluster, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    cluster.find_message("events", what, |text| {
        let event: Value = serde_json::from_str(text).expect("JSON");
        assert!(matches!(event["eventType"].as_str(), Some("Activation" | "Metric")), "{event}");
        wanted(&event).then_some(event)
    })
}

/// What every event says: who it is about, and which process tells it, and when.
#[track_caller]
fn assert_event(event: &Value, tenant: &Tenant, event_type: &str, source: &str) {
    let members: Vec<&str> = event.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, ["body", "eventType", "namespace", "source", "subject", "timestamp", "userId"]);
    let user = tenant.user();
    assert_eq!(event["eventType"], event_type);
    assert_eq!(event["namespace"], json!(user.namespace));
    assert_eq!(event["subject"], json!(user.subject));
    assert_eq!(event["userId"], json!(user.uuid));
    let told_by = event["source"].as_str().expect("a name");
    assert!(told_by.strip_prefix(source).is_some_and(|number| number.parse::<u32>().is_ok()), "{event}");
    assert!(event["timestamp"].is_u64(), "{event}");
}

#[test]
fn an_activation_is_told() {
    let Some(cluster) = Cluster::to_watch("an_activation_is_told") else { return };
    let tenant = shared::tenant();
    tenant.create("told", &action::nodejs("function main() { return {statusCode: 418} }"));
    let answer = tenant.call("told", &json!({})).expect(200);
    let (id, record) = (activation_id(&answer), answer.json());
    let event =
        find(&cluster, "an event of the activation", |event| event["body"]["activationId"] == json!(id));
    assert_event(&event, &tenant, "Activation", "invoker");
    let annotation = |key: &str| action::annotation(&record, key).cloned().unwrap_or_default();
    let expected = json!({
        "name": format!("{}/told", tenant.namespace()),
        "activationId": id,
        "statusCode": 0,
        "duration": record["duration"],
        "waitTime": annotation("waitTime"),
        "initTime": annotation("initTime"),
        "kind": annotation("kind"),
        "conductor": false,
        "memory": annotation("limits")["memory"],
        "size": record["response"]["size"],
        "userDefinedStatusCode": 418,
    });
    assert_eq!(event["body"], expected);
    assert!(event["body"]["initTime"].as_u64() > Some(0), "it was a cold start: {event}");
}

#[test]
fn a_limit_is_told() {
    let Some(cluster) = Cluster::to_watch("a_limit_is_told") else { return };
    let tenant = shared::tenant();
    let refused = || tenant.post("actions/none", &json!({})).status == 429;
    // Many more than a minute may have, since a new one may begin meanwhile.
    assert!((0..600).any(|_| refused()), "no limit in 600 requests");
    let event = find(&cluster, "an event of the limit", |event| {
        event["eventType"] == "Metric" && event["namespace"] == json!(tenant.namespace())
    });
    assert_event(&event, &tenant, "Metric", "controller");
    assert_eq!(event["body"], json!({"metricName": "TimedRateLimit", "metricValue": 1}));
}
