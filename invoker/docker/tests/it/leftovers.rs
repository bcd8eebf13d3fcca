//! What a killed invoker leaves behind.

use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oxwhisk_container::ContainerFactory;
use oxwhisk_core::id::InvokerId;
use oxwhisk_docker::{DockerConfig, DockerFactory};

use crate::images;
use crate::rig::{LIMIT, Rig, eventually, spec};

const VICTIM: &str = "OXWHISK_TEST_DOCKER_VICTIM";

/// Not a test by itself: what the test below starts as a process of its own, and kills.
#[tokio::test]
async fn victim() {
    let Ok(cluster) = std::env::var(VICTIM) else { return };
    let host = std::env::var("OXWHISK_TEST_DOCKER").unwrap();
    let mut config = DockerConfig::new(host.parse().unwrap(), cluster.clone(), InvokerId(0));
    config.unique_name = cluster;
    let mut held = Vec::new();
    for (name, freeze_directly) in [("frozen", true), ("paused", false), ("running", true)] {
        config.freeze_directly = freeze_directly;
        let factory = DockerFactory::start(config.clone()).await.unwrap();
        let container = factory.create(spec(name, "silent")).await.unwrap();
        if name != "running" {
            container.suspend().await.unwrap();
        }
        held.push((factory, container));
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_invokers_containers_are_removed_and_no_others() {
    const TEST: &str = "a_killed_invokers_containers_are_removed_and_no_others";
    let Some(rig) = Rig::start(TEST).await else { return };
    // Not the next invoker's, and not those of another cluster's invoker of the same number.
    let mut config = rig.config.clone();
    config.invoker = InvokerId(1);
    let neighbour = DockerFactory::start(config).await.unwrap();
    let of_neighbour = neighbour.create(spec("neighbour", "silent")).await.unwrap();
    let Some(other) = Rig::start(TEST).await else { return };
    let of_other = other.create(spec("other", "silent")).await;
    let created = format!("wsk{}0_created", rig.config.unique_name);
    let labels = [
        format!("--label=org.oxwhisk.cluster={}", rig.config.cluster),
        "--label=org.oxwhisk.invoker=0".to_owned(),
    ];
    rig.daemon.docker(&["create", &labels[0], &labels[1], "--name", &created, &images::name("silent")]);

    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leftovers::victim"])
        .env(VICTIM, &rig.config.cluster)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let name = |name: &str| format!("wsk{}0_{name}", rig.config.unique_name);
    eventually("the victim has its containers", async || {
        assert!(victim.try_wait().unwrap().is_none(), "the victim ended by itself");
        ["frozen", "paused", "running"].iter().all(|wanted| rig.containers().contains(&name(wanted)))
    })
    .await;
    kill(Pid::from_raw(i32::try_from(victim.id()).unwrap()), Signal::SIGKILL).unwrap();
    victim.wait().unwrap();
    assert_eq!(rig.containers().len(), 5);

    tokio::time::timeout(LIMIT, rig.factory.cleanup()).await.unwrap().unwrap();
    assert_eq!(rig.containers(), [format!("wsk{}0_neighbour", rig.config.unique_name)]);
    assert_eq!(of_neighbour.exit_reason().await, None);
    assert_eq!(of_other.exit_reason().await, None);
    // Nothing is left to remove, which is no error.
    rig.factory.cleanup().await.unwrap();
    neighbour.shutdown().await.unwrap();
    other.end().await;
    rig.end().await;
}
