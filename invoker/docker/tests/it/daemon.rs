//! A daemon that is away, slow, or restarted in the middle.

use std::process::Command;
use std::time::Duration;

use futures_util::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oxwhisk_container::{ContainerFactory, CreateError, ExitReason};
use oxwhisk_docker::{DockerConfig, DockerFactory};

use crate::images;
use crate::rig::{Daemon, LIMIT, Rig, config, eventually, skip, spec};
use crate::wire::Wire;

/// A rig behind a wire, with short times.
async fn wired(test: &str, change: impl FnOnce(&mut DockerConfig)) -> Option<(Rig, Wire)> {
    let daemon = match Daemon::find() {
        Ok(daemon) => daemon,
        Err(why) => {
            skip(test, &why);
            return None;
        }
    };
    let wire = Wire::to(&daemon.host);
    let rig = Rig::with(test, |config| {
        config.address = wire.host().parse().unwrap();
        config.retry.attempts = 4;
        config.retry.first_pause = Duration::from_millis(20);
        config.retry.max_pause = Duration::from_millis(100);
        change(config);
    });
    Some((rig.await?, wire))
}

#[tokio::test]
async fn one_that_is_not_there_is_named_at_once() {
    for address in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:9"] {
        let error = DockerFactory::start(config(address)).await.unwrap_err().to_string();
        assert!(error.contains(address) && error.starts_with("cannot connect"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    // There, and nobody answers.
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut config = config(&format!("unix://{}", socket.display()));
    config.timeouts.version = Duration::from_millis(50);
    let error = DockerFactory::start(config).await.unwrap_err().to_string();
    assert!(error.contains("took longer than 50 ms"), "{error}");
}

#[tokio::test]
async fn calls_wait_for_one_that_comes_back_and_give_up_on_one_that_does_not() {
    const TEST: &str = "calls_wait_for_one_that_comes_back_and_give_up_on_one_that_does_not";
    let Some((rig, wire)) = wired(TEST, |config| config.retry.attempts = 8).await else { return };
    wire.refuse(true);
    wire.cut();
    let asked = wire.taken();
    let error = rig.factory.create(spec("away", "silent")).await.unwrap_err();
    assert!(matches!(&error, CreateError::Platform(text) if text.contains("does not answer")), "{error}");
    assert!(wire.taken() >= asked + 8, "it was asked {} times", wire.taken() - asked);
    assert!(rig.factory.ping().await.is_err());
    assert!(rig.factory.cleanup().await.unwrap_err().to_string().contains("does not answer"));
    let back = async {
        let asked = wire.taken();
        eventually("it is asked", async || wire.taken() > asked).await;
        wire.refuse(false);
    };
    let (created, ()) = tokio::join!(rig.factory.create(spec("back", "silent")), back);
    created.unwrap();
    rig.factory.ping().await.unwrap();
    rig.end().await;
}

#[tokio::test]
async fn a_silent_one_is_given_up_in_time() {
    const TEST: &str = "a_silent_one_is_given_up_in_time";
    let Some((rig, wire)) = wired(TEST, |config| {
        config.freeze_directly = false;
        config.timeouts.run = Duration::from_millis(200);
        config.timeouts.pause = Duration::from_millis(200);
    })
    .await
    else {
        return;
    };
    let mut patient = rig.config.clone();
    patient.timeouts = oxwhisk_docker::Timeouts::default();
    patient.address = rig.daemon.host.parse().unwrap();
    let patient = DockerFactory::start(patient).await.unwrap();
    wire.silence(true);
    let error = rig.factory.create(spec("silent", "silent")).await.unwrap_err().to_string();
    assert!(error.contains("create a container") && error.contains("took longer than 200 ms"), "{error}");
    wire.silence(false);
    patient.shutdown().await.unwrap();
    rig.end().await;
}

/// An answer that is lost must not cost the container: the name tells that it was made.
#[tokio::test]
async fn starts_go_through_a_line_that_breaks_all_the_time() {
    const TEST: &str = "starts_go_through_a_line_that_breaks_all_the_time";
    let Some((rig, wire)) = wired(TEST, |config| config.retry.attempts = 40).await else { return };
    let starts = async {
        for number in 0..5 {
            let container = rig.create(spec(&format!("shaky_{number}"), "silent")).await;
            container.destroy().await.unwrap();
        }
    };
    let cuts = async {
        for milliseconds in (0..).map(|round: u64| 30 + (round * 37) % 190) {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            wire.cut();
        }
    };
    tokio::select! {
        done = tokio::time::timeout(LIMIT, starts) => done.unwrap(),
        () = cuts => unreachable!("it never ends"),
    }
    assert_eq!(rig.containers(), Vec::<String>::new());
    rig.end().await;
}

/// A container that ends while the stream of events is broken has ended all the same.
#[tokio::test]
async fn what_happened_unseen_is_found_out() {
    let Some((rig, wire)) = wired("what_happened_unseen_is_found_out", |_| {}).await else { return };
    let container = rig.create(spec("unseen", "silent")).await;
    wire.refuse(true);
    wire.cut();
    rig.daemon.docker(&["kill", &rig.docker_name(&*container)]);
    wire.refuse(false);
    let listening = tokio::time::timeout(LIMIT, container.listening()).await.unwrap();
    assert_eq!(listening, Err(ExitReason::Signalled(9)));
    rig.end().await;
}

/// A daemon of the test's own, to be killed.
struct Own {
    folder: tempfile::TempDir,
    host: String,
}

impl Own {
    fn service(&self, action: &str) -> String {
        let script = images::root().join("scripts/services/docker.sh");
        let mut command = Command::new("sh");
        command.arg(script).arg(action).arg(self.folder.path()).env("OXWHISK_DOCKER_NO_BASE", "1");
        images::run(&mut command)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = format!("unix://{}/docker.sock", folder.path().display());
        let own = Self { folder, host };
        own.service("start");
        own
    }

    fn daemon(&self) -> Daemon {
        Daemon { host: self.host.clone(), base: String::new() }
    }

    fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.path().join("dockerd.pid")).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    }

    fn import_small(&self) {
        let file = self.folder.path().join("tree.tar");
        std::fs::write(&file, images::small_tree()).unwrap();
        let entry = "ENTRYPOINT [\"/bin/sh\", \"-c\", \"eval \\\"$SCRIPT\\\"\"]";
        let file = file.display().to_string();
        self.daemon().docker(&["import", "--change", entry, &file, &images::name("script")]);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.service("stop");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_outlive_a_daemon_that_is_killed_and_are_found_again() {
    const TEST: &str = "containers_outlive_a_daemon_that_is_killed_and_are_found_again";
    if let Err(why) = Daemon::find() {
        return skip(TEST, &why);
    }
    let own = tokio::task::spawn_blocking(Own::start).await.unwrap();
    own.import_small();
    let mut config = config(&own.host);
    config.retry.attempts = 30;
    config.retry.max_pause = Duration::from_millis(500);
    let rig = Rig {
        daemon: own.daemon(),
        factory: std::sync::Arc::new(DockerFactory::start(config.clone()).await.unwrap()),
        config,
    };
    let count = "i=0; while :; do echo line $i; i=$((i + 1)); sleep 0.1; done";
    let (lives, dies) = (rig.script("lives", count).await, rig.script("dies", count).await);
    let pid = rig.inspect(&*dies, "{{.State.Pid}}");
    let mut logs = lives.take_logs().unwrap();
    let mut text = read_lines(&mut logs, 3).await;

    own.kill();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    // Frozen and thawed without a daemon.
    lives.suspend().await.unwrap();
    lives.resume().await.unwrap();
    let restart = tokio::task::spawn_blocking(move || {
        own.service("start");
        own
    });
    let (created, own) = tokio::join!(rig.script("during", count), restart);
    let own = own.unwrap();

    text.push_str(&read_lines(&mut logs, 30).await);
    let expected: String = (0..text.lines().count()).map(|number| format!("line {number}\n")).collect();
    assert_eq!(text, expected);
    assert_eq!(lives.exit_reason().await, None);
    assert_eq!(created.exit_reason().await, None);
    eventually("the other's end is noticed", async || dies.exit_reason().await.is_some()).await;
    for container in [lives, dies, created] {
        container.destroy().await.unwrap();
    }
    rig.end().await;
    drop(own);
}

async fn read_lines(logs: &mut oxwhisk_container::LogStream, lines: usize) -> String {
    let mut text = String::new();
    while text.lines().count() < lines {
        let chunk = tokio::time::timeout(LIMIT, logs.next()).await.unwrap().expect("the logs have ended");
        text.push_str(std::str::from_utf8(&chunk.bytes).unwrap());
    }
    text
}
