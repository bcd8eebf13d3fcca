//! Invocations that nobody waits for.

use std::sync::atomic::Ordering;

use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_messaging::{Bus, Topic};
use oxwhisk_store::{ActivationStore, EntityStore};
use serde_json::{Value, json};

use crate::fixture::{Parts, Platform, me, until};

fn action() -> Value {
    json!({"exec": {"kind": "go:1", "code": "x"}})
}

async fn fire(platform: &Platform, action: &str) -> String {
    let (status, answer) = platform.call("POST", &format!("actions/{action}"), &json!({})).await;
    assert_eq!(status, 202, "{answer}");
    answer["activationId"].as_str().unwrap().to_owned()
}

async fn record(parts: &Parts, id: &str) -> Value {
    let id = id.parse().unwrap();
    let text = until("the record", async || parts.activations.get(&me(), id).await.unwrap()).await;
    serde_json::from_str(&text).unwrap()
}

async fn until_empty(parts: &Parts) {
    until("the queue is empty", async || {
        let depth = |topic| parts.bus.depth(topic);
        let left = depth(Topic::Activations).await.unwrap() + depth(Topic::InFlight).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_leaves_its_slot() {
    let parts = Parts::new().await;
    let limits = UserLimits { concurrent_invocations: Some(1), ..UserLimits::default() };
    parts.limit(limits).await;
    let platform = parts.start().await;
    assert_eq!(platform.call("PUT", "actions/a", &action()).await.0, 200);

    parts.bus.gate.close();
    parts.bus.refuse_messages.store(1, Ordering::SeqCst);
    let client = platform.send("POST", "actions/a", &json!({})).await;
    parts.bus.gate.met().await;
    assert_eq!(platform.call("POST", "actions/a", &json!({})).await.0, 429);
    drop(client);
    // Answered after the client's going was seen: there is one thread for all of this.
    assert_eq!(platform.call("GET", "actions/b", &Value::Null).await.0, 404);
    parts.bus.gate.open();
    until("the slot is free", async || {
        let (status, _) = platform.call("POST", "actions/a", &json!({})).await;
        (status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_that_may_be_on_the_bus_is_a_503_with_its_id() {
    let parts = Parts::new().await;
    let platform = parts.start().await;
    assert_eq!(platform.call("PUT", "actions/a", &action()).await.0, 200);
    parts.bus.lose_answers.store(1, Ordering::SeqCst);
    let answer = platform.answer("POST", "actions/a", &json!({})).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 503 "), "{answer}");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-openwhisk-activation-id: "));
    record(&parts, id.expect("an id")).await;

    // One that the bus certainly does not have has no id: there is nothing to look for.
    parts.bus.refuse_messages.store(1, Ordering::SeqCst);
    let answer = platform.answer("POST", "actions/a", &json!({})).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 503 "), "{answer}");
    assert!(!answer.contains("x-openwhisk-activation-id"), "{answer}");
    until_empty(&parts).await;
    assert_eq!(platform.invoker.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_record_that_is_not_taken_at_once_is_owed() {
    let parts = Parts::new().await;
    let platform = parts.start().await;
    assert_eq!(platform.call("PUT", "actions/a", &action()).await.0, 200);
    parts.bus.refuse_records.store(2, Ordering::SeqCst);
    let id = fire(&platform, "a").await;
    assert_eq!(record(&parts, &id).await["response"]["statusCode"], 0);
    until_empty(&parts).await;
    assert_eq!(platform.invoker.seen.lock().unwrap().len(), 1, "it ran once");

    // It outlives its wait.
    platform.invoker.gate.close();
    let (status, answer) = platform.call("POST", "actions/a?blocking=true&timeout=1", &json!({})).await;
    assert_eq!(status, 202);
    parts.bus.refuse_records.store(2, Ordering::SeqCst);
    platform.invoker.gate.open();
    record(&parts, answer["activationId"].as_str().unwrap()).await;
    until_empty(&parts).await;
}

/// What is told to a client is owed to it; with too much owed, nothing more is begun.
#[tokio::test]
async fn records_of_answered_calls_are_owed_too_and_bounded() {
    let parts = Parts::new().await;
    let limits = UserLimits { invocations_per_minute: Some(10_000), ..UserLimits::default() };
    parts.limit(limits).await;
    let platform = parts.start().await;
    assert_eq!(platform.call("PUT", "actions/a", &action()).await.0, 200);
    parts.bus.refuse_records.store(usize::MAX, Ordering::SeqCst);
    let mut ids = Vec::new();
    let refused = loop {
        let (status, answer) = platform.call("POST", "actions/a?blocking=true", &json!({})).await;
        if status != 200 {
            break status;
        }
        ids.push(answer["activationId"].as_str().unwrap().to_owned());
        assert!(ids.len() < 1000, "there is no bound");
    };
    assert_eq!(refused, 503);
    assert_eq!(platform.invoker.seen.lock().unwrap().len(), ids.len(), "what was refused did not run");
    parts.bus.refuse_records.store(0, Ordering::SeqCst);
    for id in ids {
        record(&parts, &id).await;
    }
    until("calls are taken again", async || {
        let (status, _) = platform.call("POST", "actions/a?blocking=true", &json!({})).await;
        (status == 200).then_some(())
    })
    .await;
}

/// A platform that ended while `a` ran for its client, with the id of that activation.
async fn interrupted(parts: &Parts, action: Value, target: &'static str) -> String {
    let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let own = parts.clone();
    let run = process.spawn(async move {
        let platform = own.start().await;
        assert_eq!(platform.call("PUT", "actions/a", &action).await.0, 200);
        platform.invoker.gate.close();
        let (status, answer) = platform.call("POST", target, &json!({})).await;
        assert_eq!(status, 202);
        platform.invoker.gate.met().await;
        answer["activationId"].as_str().unwrap().to_owned()
    });
    let id = run.await.unwrap();
    process.shutdown_background();
    for topic in [Topic::Activations, Topic::Completed] {
        until("its subscriptions are gone", async || parts.bus.subscribe(topic).await.ok()).await;
    }
    id
}

#[tokio::test]
async fn what_was_interrupted_is_the_second_attempt() {
    for target in ["actions/a", "actions/a?blocking=true&timeout=1"] {
        let parts = Parts::new().await;
        let id = interrupted(&parts, action(), target).await;
        let platform = parts.start().await;
        record(&parts, &id).await;
        assert_eq!(*platform.invoker.seen.lock().unwrap(), [(id.parse().unwrap(), 2)], "{target}");
    }
}

#[tokio::test]
async fn what_may_run_once_does_not_run_again_even_without_a_record() {
    let once = json!({
        "exec": {"kind": "go:1", "code": "x"}, "annotations": [{"key": "delivery", "value": "at-most-once"}]
    });
    for stores in [true, false] {
        let parts = Parts::new().await;
        parts.limit(UserLimits { store_activations: Some(stores), ..UserLimits::default() }).await;
        let id = interrupted(&parts, once.clone(), "actions/a").await;
        let platform = parts.start().await;
        until_empty(&parts).await;
        assert_eq!(platform.invoker.seen.lock().unwrap().len(), 0, "stores: {stores}");
        let document = parts.activations.get(&me(), id.parse().unwrap()).await.unwrap();
        assert_eq!(document.is_some(), stores);
    }
}

#[tokio::test]
async fn an_action_that_can_no_longer_be_read_ends_in_a_record() {
    let parts = Parts::new().await;
    let id = interrupted(&parts, action(), "actions/a").await;
    // As if the deployment's manifest had lost the kind.
    let name = FullyQualifiedName::new(EntityPath::new(me(), None), EntityName::new("a").unwrap());
    let mut stored = parts.entities.get(&name).await.unwrap().unwrap();
    let body = stored.document.body.get().replace("go:1", "gone:1");
    stored.document.body = serde_json::value::RawValue::from_string(body).unwrap();
    parts.entities.put(stored.document, Some(&stored.revision)).await.unwrap();

    let _platform = parts.start().await;
    let record = record(&parts, &id).await;
    assert_eq!(
        record["response"]["result"]["error"],
        "Action version is not compatible and cannot be invoked."
    );
    until_empty(&parts).await;
}

#[tokio::test]
async fn a_defect_in_a_dispatch_takes_no_place_for_good() {
    let parts = Parts::new().await;
    let limits = UserLimits {
        invocations_per_minute: Some(1_000),
        concurrent_invocations: Some(1_000),
        ..UserLimits::default()
    };
    parts.limit(limits).await;
    let platform = parts.start().await;
    for name in ["defect", "a"] {
        assert_eq!(platform.call("PUT", &format!("actions/{name}"), &action()).await.0, 200);
    }
    // As many as may be dispatched at once.
    for _ in 0..128 {
        fire(&platform, "defect").await;
    }
    let id = fire(&platform, "a").await;
    record(&parts, &id).await;
    assert!(platform.drain().await);
}
