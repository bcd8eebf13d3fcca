//! Non-blocking invocations.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::Engine as _;
use oxwhisk_core::entity::Status;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::ParkingLimits;
use oxwhisk_messaging::{Bus, Topic};
use serde_json::json;

use super::cluster::{Cluster, DEADLINE, until};

#[tokio::test]
async fn what_is_accepted_runs_once_and_is_recorded() {
    let cluster = Cluster::new().await;
    let invokers = [cluster.invoker(0).await, cluster.invoker(1).await];
    let controllers = [cluster.controller(0).await, cluster.controller(1).await];
    controllers[0].create("echo", json!([])).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(controllers[n % 2].submit("echo", &json!({"n": n})).await);
    }
    for id in &ids {
        assert_eq!(cluster.recorded(*id).await.response.status, Status::Success);
        let runs: usize = invokers.iter().map(|invoker| invoker.runs_of(*id).0).sum();
        assert_eq!(runs, 1);
    }
    cluster.settled().await;
}

#[tokio::test]
async fn it_runs_again_when_its_invoker_dies_unless_it_must_not() {
    let cluster = Cluster::new().await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.create("held", json!([])).await;
    controller.create("held-once", json!([{"key": "delivery", "value": "at-most-once"}])).await;
    let again = controller.submit("held", &json!({})).await;
    let once = controller.submit("held-once", &json!({})).await;
    for id in [again, once] {
        until("it runs", async || (invoker.runs_of(id).0 == 1).then_some(())).await;
    }
    invoker.kill();
    let other = cluster.invoker(1).await;
    other.invoker.release();
    assert_eq!(cluster.recorded(again).await.response.status, Status::Success);
    assert_eq!(other.runs_of(again), (1, 2));
    let lost = cluster.recorded(once).await;
    assert_eq!(lost.response.status, Status::WhiskError);
    assert!(lost.response.result.unwrap().get().contains("was interrupted and is not run again"));
    assert_eq!(other.runs_of(once).0, 0);
    cluster.settled().await;
}

#[tokio::test]
async fn what_fails_on_every_attempt_is_a_dead_letter_with_a_record() {
    let cluster = Cluster::new().await;
    let controller = cluster
        .controller_with(0, |config| oxwhisk_controller_service::EngineConfig { max_attempts: 2, ..config })
        .await;
    controller.create("held", json!([])).await;
    let id = controller.submit("held", &json!({})).await;
    for number in 0..2 {
        let invoker = cluster.invoker(number).await;
        until("it runs", async || (invoker.runs_of(id).0 == 1).then_some(())).await;
        invoker.kill();
    }
    let record = cluster.recorded(id).await;
    assert!(record.response.result.unwrap().get().contains("interrupted 2 times"), "exhausted");
    cluster.settled().await;
    assert_eq!(controller.bus.depth(Topic::DeadLetters).await.unwrap(), 1);
}

#[tokio::test]
async fn a_controllers_queue_is_taken_over_when_it_dies() {
    let cluster = Cluster::new().await;
    let invoker = cluster.invoker(0).await;
    let (first, second) = (cluster.controller(0).await, cluster.controller(1).await);
    first.sees(1).await;
    second.sees(1).await;
    first.create("held", json!([])).await;
    let mut ids: HashSet<ActivationId> = HashSet::new();
    for n in 0..20 {
        let controller = if n % 2 == 0 { &first } else { &second };
        ids.insert(controller.submit("held", &json!({"n": n})).await);
    }
    until("it is full", async || (invoker.invoker.runs.lock().unwrap().len() == 4).then_some(())).await;
    let gone = first.incarnation;
    first.kill().await;
    second.engine.controller_gone(gone);
    invoker.invoker.release();
    for id in &ids {
        assert_eq!(cluster.recorded(*id).await.response.status, Status::Success);
        assert_eq!(invoker.runs_of(*id).0, 1, "what runs is adopted, what was queued runs once");
    }
    cluster.settled().await;
}

#[tokio::test]
async fn what_is_cut_off_was_an_attempt_though_controller_and_invoker_stop_together() {
    let cluster = Cluster::new().await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.create("held", json!([])).await;
    let id = controller.submit("held", &json!({})).await;
    until("it runs", async || (invoker.runs_of(id) == (1, 1)).then_some(())).await;
    invoker.stop();
    let engine = Arc::clone(&controller.engine);
    until("it is known", async || engine.invokers().iter().all(|told| told.state == "down").then_some(()))
        .await;
    assert!(!engine.drain(Duration::ZERO).await, "it still runs");
    let (heard, ()) = tokio::join!(engine.hear_cut_off(DEADLINE), async { invoker.cut_off() });
    assert!(heard);
    invoker.kill();
    controller.kill().await;

    let (_controller, invoker) = (cluster.controller(1).await, cluster.invoker(1).await);
    invoker.invoker.release();
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    assert_eq!(invoker.runs_of(id), (1, 2));
    cluster.settled().await;
}

#[tokio::test]
async fn a_flood_is_parked_and_comes_back() {
    let cluster = Cluster::new().await;
    let parking = ParkingLimits { park_above: 8, resume_below: 4 };
    let controller = cluster
        .controller_with(0, |config| oxwhisk_controller_service::EngineConfig {
            parking,
            outside: 2,
            outside_per_namespace: 2,
            ..config
        })
        .await;
    let invoker = cluster.invoker(0).await;
    controller.create("held", json!([])).await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(controller.submit("held", &json!({"n": n})).await);
    }
    until("some are parked", async || (controller.bus.depth(Topic::Parked).await.unwrap() > 0).then_some(()))
        .await;
    invoker.invoker.release();
    for id in &ids {
        assert_eq!(cluster.recorded(*id).await.response.status, Status::Success);
        assert_eq!(invoker.runs_of(*id).0, 1);
    }
    cluster.settled().await;
}

#[tokio::test]
async fn an_action_that_is_deleted_meanwhile_leaves_a_record_that_says_so() {
    let cluster = Cluster::new().await;
    let controller = cluster.controller(0).await;
    controller.create("echo", json!([])).await;
    let id = controller.submit("echo", &json!({})).await;
    // Nobody takes it before.
    assert_eq!(controller.call("DELETE", "actions/echo", &json!(null)).await.0, 200);
    let _invoker = cluster.invoker(0).await;
    let record = cluster.recorded(id).await;
    let result = record.response.result.unwrap();
    assert!(result.get().contains("could not be found"), "{}", result.get());
    cluster.settled().await;
}
