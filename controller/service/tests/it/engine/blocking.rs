//! Blocking calls.

use oxwhisk_core::entity::Status;
use serde_json::{Value, json};

use super::cluster::{Cluster, id_of, until};

#[tokio::test]
async fn a_call_is_answered_with_its_result_and_its_record_is_stored() {
    let cluster = Cluster::new().await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.sees(1).await;
    controller.create("echo", json!([])).await;
    let (status, answer) = controller.call("POST", "actions/echo?blocking=true", &json!({"n": 1})).await;
    assert_eq!((status, &answer["response"]["result"]), (200, &json!({"n": 1})));
    let id = id_of(&answer);
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    assert_eq!(invoker.runs_of(id), (1, 1));
    let (status, record) = controller.call("GET", &format!("activations/{id}"), &Value::Null).await;
    assert_eq!((status, &record["response"]["result"]), (200, &json!({"n": 1})));
}

#[tokio::test]
async fn without_invokers_a_call_is_refused_and_nothing_is_owed() {
    let cluster = Cluster::new().await;
    let controller = cluster.controller(0).await;
    controller.create("echo", json!([])).await;
    let (status, _) = controller.call("POST", "actions/echo?blocking=true", &json!({})).await;
    assert_eq!(status, 503);
    cluster.settled().await;
}

#[tokio::test]
async fn calls_of_two_controllers_share_an_invokers_room() {
    let cluster = Cluster::new().await;
    let invoker = cluster.invoker(0).await;
    let controllers = [cluster.controller(0).await, cluster.controller(1).await];
    for controller in &controllers {
        controller.sees(1).await;
    }
    controllers[0].create("held", json!([])).await;
    // Twice as many as there is room for: the others stand in line.
    let calls = (0..8).map(|n| {
        let controller = &controllers[n % 2];
        async move { controller.call("POST", "actions/held?blocking=true", &json!({"n": n})).await }
    });
    let calls = futures_util::future::join_all(calls);
    let full = async {
        until("four run", async || (invoker.invoker.runs.lock().unwrap().len() == 4).then_some(())).await;
        invoker.invoker.release();
    };
    let (answers, ()) = tokio::join!(calls, full);
    for (n, (status, answer)) in answers.iter().enumerate() {
        assert_eq!((*status, &answer["response"]["result"]), (200, &json!({"n": n})), "{answer}");
    }
    assert_eq!(invoker.invoker.runs.lock().unwrap().len(), 8);
}

#[tokio::test]
async fn a_call_that_outlives_its_wait_is_accepted_and_gets_one_record() {
    let cluster = Cluster::new().await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.sees(1).await;
    controller.create("held", json!([])).await;
    let (status, answer) =
        controller.call("POST", "actions/held?blocking=true&timeout=100", &json!({})).await;
    assert_eq!(status, 202, "{answer}");
    invoker.invoker.release();
    let id = id_of(&answer);
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    assert_eq!(invoker.runs_of(id), (1, 1));
    cluster.settled().await;
}

#[tokio::test]
async fn an_accepted_call_outlives_its_controller() {
    let cluster = Cluster::new().await;
    let invoker = cluster.invoker(0).await;
    let (first, second) = (cluster.controller(0).await, cluster.controller(1).await);
    first.sees(1).await;
    second.sees(1).await;
    first.create("held", json!([])).await;
    let (status, answer) = first.call("POST", "actions/held?blocking=true&timeout=100", &json!({})).await;
    assert_eq!(status, 202, "{answer}");
    let gone = first.incarnation;
    first.kill().await;
    second.engine.controller_gone(gone);
    invoker.invoker.release();
    let id = id_of(&answer);
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    cluster.settled().await;
    assert_eq!(invoker.runs_of(id).0, 1, "it was adopted, not run again");
}

#[tokio::test]
async fn an_accepted_call_is_found_by_a_controller_that_began_after_its_own_had_died() {
    let cluster = Cluster::new().await;
    let (first, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    first.sees(1).await;
    first.create("held", json!([])).await;
    let (status, answer) = first.call("POST", "actions/held?blocking=true&timeout=100", &json!({})).await;
    assert_eq!(status, 202, "{answer}");
    first.kill().await;
    invoker.kill();
    // Nobody tells it of a process that it never met.
    let _second = cluster.controller(0).await;
    let other = cluster.invoker(1).await;
    other.invoker.release();
    let id = id_of(&answer);
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    cluster.settled().await;
    assert_eq!(other.runs_of(id).0, 1, "the note was all that was left of it");
}

#[tokio::test]
async fn notes_of_a_controller_that_was_taken_for_dead_and_is_back_are_its_own() {
    let cluster = Cluster::new().await;
    let invoker = cluster.invoker(0).await;
    let controllers = [cluster.controller(0).await, cluster.controller(1).await];
    controllers[0].sees(1).await;
    controllers[1].sees(1).await;
    controllers[0].create("held", json!([{"key": "delivery", "value": "at-most-once"}])).await;
    let mut ids = Vec::new();
    // One of them owns the lane of both notes, and must leave the other's alone.
    for (own, other) in [(0, 1), (1, 0)] {
        controllers[other].engine.controller_gone(controllers[own].incarnation);
        controllers[other].engine.controller_there(controllers[own].incarnation);
        let (status, answer) =
            controllers[own].call("POST", "actions/held?blocking=true&timeout=100", &json!({})).await;
        assert_eq!(status, 202, "{answer}");
        ids.push(id_of(&answer));
    }
    // Queued behind them: when it runs, the notes have mostly been read, too.
    let behind = controllers[0].submit("held", &json!({})).await;
    until("it runs", async || (invoker.runs_of(behind).0 == 1).then_some(())).await;
    invoker.invoker.release();
    for id in ids {
        assert_eq!(cluster.recorded(id).await.response.status, Status::Success, "not recorded as lost");
        assert_eq!(invoker.runs_of(id), (1, 1));
    }
    cluster.settled().await;
}

#[tokio::test]
async fn an_accepted_call_runs_again_when_its_invoker_dies() {
    let cluster = Cluster::new().await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.sees(1).await;
    controller.create("held", json!([])).await;
    let (_, answer) = controller.call("POST", "actions/held?blocking=true&timeout=100", &json!({})).await;
    let id = id_of(&answer);
    until("it runs", async || (invoker.runs_of(id).0 == 1).then_some(())).await;
    invoker.kill();
    let other = cluster.invoker(1).await;
    other.invoker.release();
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    assert_eq!(other.runs_of(id), (1, 2), "the second attempt");
    cluster.settled().await;
}

#[tokio::test]
async fn a_call_that_stands_in_line_longer_than_its_client_waits_is_accepted() {
    let cluster = Cluster::new().await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.sees(1).await;
    controller.create("held", json!([])).await;
    let mut ids = Vec::new();
    // One more than there is room for.
    for n in 0..5 {
        let call = controller.call("POST", "actions/held?blocking=true&timeout=100", &json!({"n": n})).await;
        assert_eq!(call.0, 202, "{}", call.1);
        ids.push(id_of(&call.1));
    }
    assert_eq!(invoker.runs_of(ids[4]), (0, 0), "it stands in line");
    invoker.invoker.release();
    for id in ids {
        assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
        assert_eq!(invoker.runs_of(id), (1, 1));
    }
    cluster.settled().await;
}
