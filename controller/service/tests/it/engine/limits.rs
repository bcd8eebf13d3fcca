//! What is accepted counts for its namespace until it has ended, wherever it waits meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_controller_service::EngineConfig;
use oxwhisk_controller_service::peers::MembershipListener as _;
use oxwhisk_core::entity::Status;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_dispatch::ParkingLimits;
use oxwhisk_messaging::{Bus, Topic};
use serde_json::json;

use super::cluster::{Cluster, ControllerProcess, id_of, until};
use super::invoker::InvokerProcess;

/// More than one batch, and so many that both controllers have some of it in their lanes.
const LIMIT: u64 = 24;

async fn cluster(limit: u64) -> Cluster {
    let cluster = Cluster::new().await;
    cluster.limit(UserLimits { concurrent_invocations: Some(limit), ..UserLimits::default() }).await;
    cluster
}

/// Ends are not looked for in these: what is not told stays counted.
fn told_only(config: EngineConfig) -> EngineConfig {
    EngineConfig { look_for_ends: Duration::from_secs(3600), ..config }
}

/// Invokes until it is refused; answers what was accepted.
async fn fill(controller: &ControllerProcess) -> Vec<ActivationId> {
    let mut accepted = Vec::new();
    loop {
        let (status, answer) = controller.call("POST", "actions/held", &json!({})).await;
        if status != 202 {
            assert_eq!(status, 429, "{answer}");
            return accepted;
        }
        accepted.push(id_of(&answer));
    }
}

/// It is refused: how many are counted.
async fn refused(controller: &ControllerProcess) -> u64 {
    let (status, answer) = controller.call("POST", "actions/held", &json!({})).await;
    let text = answer["error"].as_str().unwrap_or_default();
    let count = text.strip_prefix("Too many concurrent requests in flight (count: ");
    let count = count.and_then(|rest| rest.split_once(',')?.0.parse().ok());
    count.filter(|_| status == 429).unwrap_or_else(|| panic!("{status}: {answer}"))
}

/// So many that are held, and no more: nothing else counts any more.
async fn has_room_for(controller: &ControllerProcess, limit: u64) {
    for _ in 0..limit {
        until("room", async || {
            let (status, _) = controller.call("POST", "actions/held", &json!({})).await;
            (status == 202).then_some(())
        })
        .await;
    }
    assert_eq!(refused(controller).await, limit);
}

/// Some of what one accepts lies in another's lanes.
async fn all_have_lanes(controllers: &[ControllerProcess]) {
    let each = 8 / controllers.len();
    until("lanes", async || controllers.iter().all(|one| one.engine.lanes() == each).then_some(())).await;
}

#[tokio::test]
async fn it_counts_while_it_is_unread_queued_or_parked_in_anybodys_lane() {
    for count in [1, 2, 4] {
        counts_wherever_it_waits(count).await;
    }
}

async fn counts_wherever_it_waits(count: u32) {
    let cluster = cluster(LIMIT).await;
    let change = |config| EngineConfig {
        parking: ParkingLimits { park_above: 4, resume_below: 2 },
        outside: 2,
        outside_per_namespace: 2,
        ..told_only(config)
    };
    let mut controllers = Vec::new();
    for number in 0..count {
        controllers.push(cluster.controller_with(number, change).await);
    }
    controllers[0].create("held", json!([])).await;
    // Before anybody owns a lane, and with nobody to run it.
    let accepted = fill(&controllers[0]).await;
    assert_eq!(accepted.len() as u64, LIMIT);
    all_have_lanes(&controllers).await;
    until("some are parked", async || {
        (controllers[0].bus.depth(Topic::Parked).await.unwrap() > 0).then_some(())
    })
    .await;
    assert_eq!(refused(&controllers[0]).await, LIMIT);

    let invoker = cluster.invoker(0).await;
    invoker.invoker.release();
    for id in &accepted {
        cluster.recorded(*id).await;
        assert_eq!(invoker.runs_of(*id).0, 1);
    }
    invoker.invoker.hold();
    has_room_for(&controllers[0], LIMIT).await;
    invoker.invoker.release();
    cluster.settled().await;
}

#[tokio::test]
async fn it_counts_while_it_is_tried_again() {
    let cluster = cluster(1).await;
    let controllers =
        [cluster.controller_with(0, told_only).await, cluster.controller_with(1, told_only).await];
    all_have_lanes(&controllers).await;
    controllers[0].create("held", json!([])).await;
    let id = controllers[0].submit("held", &json!({})).await;
    for number in 0..2 {
        let invoker = cluster.invoker(number).await;
        until("it runs", async || (invoker.runs_of(id).0 == 1).then_some(())).await;
        assert_eq!(refused(&controllers[0]).await, 1);
        invoker.kill();
    }
    assert_eq!(refused(&controllers[0]).await, 1);
    let invoker = cluster.invoker(2).await;
    invoker.invoker.release();
    assert_eq!(cluster.recorded(id).await.response.status, Status::Success);
    invoker.invoker.hold();
    has_room_for(&controllers[0], 1).await;
    invoker.invoker.release();
    cluster.settled().await;
}

/// Two controllers that nobody tells of ends, and that look for them often; an action that is held at an invoker.
async fn who_do_not_hear_of_ends(cluster: &Cluster) -> ([ControllerProcess; 2], InvokerProcess) {
    let often = |config| EngineConfig { look_for_ends: Duration::from_millis(50), ..config };
    let controllers = [cluster.controller_with(0, often).await, cluster.controller_with(1, often).await];
    let invoker = cluster.invoker(0).await;
    all_have_lanes(&controllers).await;
    cluster.living.silent.store(true, Ordering::Relaxed);
    controllers[0].create("held", json!([])).await;
    (controllers, invoker)
}

#[tokio::test]
async fn an_end_that_nobody_was_told_of_is_found_among_the_records() {
    let cluster = cluster(LIMIT).await;
    let (controllers, invoker) = who_do_not_hear_of_ends(&cluster).await;
    assert_eq!(fill(&controllers[0]).await.len() as u64, LIMIT);
    invoker.invoker.release();
    cluster.settled().await;
    invoker.invoker.hold();
    has_room_for(&controllers[0], LIMIT).await;
    invoker.invoker.release();
    cluster.settled().await;
}

#[tokio::test]
async fn what_gets_no_record_counts_until_word_of_its_end_may_be_lost() {
    let cluster = Cluster::new().await;
    let limits = UserLimits {
        concurrent_invocations: Some(LIMIT),
        store_activations: Some(false),
        ..UserLimits::default()
    };
    cluster.limit(limits).await;
    let (controllers, invoker) = who_do_not_hear_of_ends(&cluster).await;
    let accepted = fill(&controllers[0]).await;
    invoker.invoker.release();
    cluster.settled().await;
    assert!(accepted.iter().all(|id| invoker.runs_of(*id).0 == 1), "all have run");
    invoker.invoker.hold();
    // What was in its own lanes it knows.
    let left = fill(&controllers[0]).await.len() as u64;
    assert!(left < LIMIT, "some were in the other's lanes");
    controllers[0].engine.cut_off(controllers[1].incarnation);
    has_room_for(&controllers[0], LIMIT - left).await;
    invoker.invoker.release();
    cluster.settled().await;
}

#[tokio::test]
async fn what_a_dead_controller_counted_counts_where_it_is() {
    let cluster = cluster(4).await;
    let [first, second] =
        [cluster.controller_with(0, told_only).await, cluster.controller_with(1, told_only).await];
    let invoker = cluster.invoker(0).await;
    let controllers = [first, second];
    all_have_lanes(&controllers).await;
    let [first, second] = controllers;
    first.create("held", json!([])).await;
    let accepted = fill(&first).await;
    for id in &accepted {
        until("it runs", async || (invoker.runs_of(*id).0 == 1).then_some(())).await;
    }
    let gone = first.incarnation;
    first.kill().await;
    second.engine.controller_gone(gone);
    // Whatever it had in its lanes has to be read, and what runs is found at the invoker.
    until("all count", async || {
        let (status, answer) = second.call("POST", "actions/none-of-that-name", &json!({})).await;
        (status == 429).then_some(answer)
    })
    .await;
    invoker.invoker.release();
    for id in &accepted {
        assert_eq!(cluster.recorded(*id).await.response.status, Status::Success);
    }
    invoker.invoker.hold();
    has_room_for(&second, 4).await;
    invoker.invoker.release();
    cluster.settled().await;
}
