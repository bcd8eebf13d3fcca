//! Suspension, and the end.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_container::{Container, ExitReason};

use crate::rig::{Action, Rig, eventually, spec};

/// Counts for ever, in a thread.
const COUNT: &str = "
import threading, time, builtins
builtins.count = 0
def run():
    while True:
        builtins.count += 1
        time.sleep(0.001)
threading.Thread(target=run, daemon=True).start()
";

async fn check_suspension(rig: &Rig, action: &Action) {
    action.run(COUNT).await;
    let container = &action.container;
    for _ in 0..3 {
        container.suspend().await.unwrap();
        let silent = action.run_within("result = 1", Duration::from_millis(300)).await;
        assert!(silent.is_err(), "it answers: {silent:?}");
        container.resume().await.unwrap();
        assert_eq!(action.run("result = 2").await, "2");
    }
    let before: u64 = action.run("import builtins; result = builtins.count").await.parse().unwrap();
    eventually("it goes on counting", async || {
        action.run("import builtins; result = builtins.count").await.parse::<u64>().unwrap() > before
    })
    .await;
    container.suspend().await.unwrap();
    container.destroy().await.unwrap();
    assert_eq!(rig.containers(), Vec::<String>::new());
    container.destroy().await.unwrap();
    assert!(container.suspend().await.is_err() && container.resume().await.is_err());
}

#[tokio::test]
async fn a_suspended_container_stands_still_and_can_be_ended() {
    let Some(rig) = Rig::start("a_suspended_container_stands_still_and_can_be_ended").await else { return };
    let action = rig.probe("frozen").await;
    action.container.suspend().await.unwrap();
    // The daemon knows nothing of it.
    assert_eq!(rig.inspect(&*action.container, "{{.State.Paused}}"), "false");
    action.container.resume().await.unwrap();
    check_suspension(&rig, &action).await;
    rig.end().await;
}

#[tokio::test]
async fn the_daemon_suspends_where_it_is_told_to() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| config.freeze_directly = false;
    let Some(rig) = Rig::with("the_daemon_suspends_where_it_is_told_to", change).await else { return };
    let action = rig.probe("paused").await;
    action.container.suspend().await.unwrap();
    assert_eq!(rig.inspect(&*action.container, "{{.State.Paused}}"), "true");
    action.container.resume().await.unwrap();
    check_suspension(&rig, &action).await;
    rig.end().await;
}

#[tokio::test]
async fn one_that_nobody_holds_is_removed() {
    let Some(rig) = Rig::start("one_that_nobody_holds_is_removed").await else { return };
    let container = rig.create(spec("dropped", "silent")).await;
    container.suspend().await.unwrap();
    drop(container);
    eventually("it is removed", async || rig.containers().is_empty()).await;
    rig.end().await;
}

/// The pool gives up on a start that takes too long; the container must not stay.
#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing() {
    let Some(rig) = Rig::start("a_start_that_is_given_up_leaves_nothing").await else { return };
    for milliseconds in [0, 1, 20, 60, 150, 300] {
        let creation = oxwhisk_container::ContainerFactory::create(&*rig.factory, spec("given_up", "silent"));
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), creation).await;
        eventually("nothing is left", async || rig.containers().is_empty()).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn an_end_from_elsewhere_is_noticed() {
    let Some(rig) = Rig::start("an_end_from_elsewhere_is_noticed").await else { return };
    let mut containers: Vec<Arc<dyn Container>> = Vec::new();
    for name in ["killed", "stopped", "removed"] {
        containers.push(rig.create(spec(name, "silent")).await);
    }
    let name = |place: usize| rig.docker_name(&*containers[place]);
    rig.daemon.docker(&["kill", "--signal", "KILL", &name(0)]);
    rig.daemon.docker(&["stop", "--time", "0", &name(1)]);
    rig.daemon.docker(&["rm", "--force", &name(2)]);
    for container in &containers {
        assert_eq!(container.exit_reason().await, Some(ExitReason::Signalled(9)), "{}", container.name());
        assert_eq!(container.listening().await, Err(ExitReason::Signalled(9)));
        container.destroy().await.unwrap();
    }
    rig.end().await;
}

#[tokio::test]
async fn nothing_is_created_after_shutdown() {
    let Some(rig) = Rig::start("nothing_is_created_after_shutdown").await else { return };
    let container = rig.create(spec("before", "silent")).await;
    rig.factory.shutdown().await.unwrap();
    assert_eq!(rig.containers(), Vec::<String>::new());
    container.destroy().await.unwrap();
    let refused = oxwhisk_container::ContainerFactory::create(&*rig.factory, spec("after", "silent")).await;
    assert!(refused.unwrap_err().to_string().contains("shut down"));
}
