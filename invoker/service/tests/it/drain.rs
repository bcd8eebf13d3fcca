//! SIGTERM: what runs is finished and told, nothing new is taken, nothing is left behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use oxwhisk_core::entity::Status;
use oxwhisk_dispatch::{Order, Refusal, Said};
use oxwhisk_invoker_remote::client::Heard;

use crate::controller::Action;
use crate::conversation::{NO_KAFKA, rig};
use crate::processes;

/// Takes so long that what happens to it meanwhile is certain.
fn slow(seconds: u32) -> Action {
    let script = format!("#!/bin/sh\nsleep {seconds}\necho '{{\"done\": true}}'\n");
    Action {
        name: "slow",
        kind: "blackbox",
        image: "openwhisk/dockerskeleton:nightly",
        code: STANDARD.encode(script),
        binary: true,
    }
}

fn started(heard: &Heard) -> bool {
    matches!(heard, Heard::Said(Said::Started(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_finished_and_what_comes_is_refused() {
    let test = "what_runs_is_finished_and_what_comes_is_refused";
    let Some((mut binary, mut controller, _certificates)) = rig(test, &[NO_KAFKA]).await else { return };
    controller.until("the welcome", |heard| matches!(heard, Heard::Welcome(_)).then_some(())).await;
    let id = controller.dispatch(&slow(3), "{}");
    controller.until("it starts", |heard| started(&heard).then_some(())).await;
    let below = processes::below(binary.pid());
    assert!(!below.is_empty(), "the action runs in a process");
    binary.signal(Signal::SIGTERM);
    controller
        .until("it says so", |heard| matches!(heard, Heard::Room(room) if room.draining).then_some(()))
        .await;
    let late = controller.dispatch(&slow(0), "{}");
    let refusal = controller.until("it is refused", |heard| match heard {
        Heard::NotRun { said: Said::Refused { id, why }, .. } if id == late => Some(why),
        _ => None,
    });
    assert_eq!(refusal.await, Refusal::Draining);
    let (ended, record) = controller.ended(id).await;
    assert_eq!((record.response.status, ended.cut_off), (Status::Success, false));
    controller.order(Order::Acknowledge(id));
    assert_eq!(binary.exit_code(), 0, "{}", binary.log());
    assert!(!binary.log().contains("acknowledged by"), "{}", binary.log());
    assert_eq!(processes::left_of(&below), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_outlasts_the_grace_period_is_cut_off_and_told_so() {
    let test = "what_outlasts_the_grace_period_is_cut_off_and_told_so";
    let short = [NO_KAFKA, ("CONFIG_oxwhisk_shutdownGrace", "100 ms")];
    let Some((mut binary, mut controller, _certificates)) = rig(test, &short).await else { return };
    controller.until("the welcome", |heard| matches!(heard, Heard::Welcome(_)).then_some(())).await;
    let id = controller.dispatch(&slow(50), "{}");
    controller.until("it starts", |heard| started(&heard).then_some(())).await;
    let below = processes::below(binary.pid());
    assert!(!below.is_empty(), "the action runs in a process");
    binary.signal(Signal::SIGTERM);
    let (ended, _) = controller.ended(id).await;
    assert!(ended.cut_off);
    controller.order(Order::Acknowledge(id));
    assert_eq!(binary.exit_code(), 0, "{}", binary.log());
    assert_eq!(processes::left_of(&below), Vec::<String>::new());
}
