//! What a container writes arrives once and in order, whatever becomes of the connection.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use oxwhisk_container::LogOrigin;

use crate::rig::{LIMIT, Rig, eventually, read_to_end, spec};
use crate::wire::Wire;

#[tokio::test]
async fn both_streams_arrive_apart_with_times() {
    let Some(rig) = Rig::start("both_streams_arrive_apart_with_times").await else { return };
    let before = SystemTime::now() - Duration::from_secs(1);
    let container = rig.script("apart", "echo out; echo err >&2; printf 'no end'").await;
    let mut logs = container.take_logs().unwrap();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(chunk) = tokio::time::timeout(LIMIT, logs.next()).await.unwrap() {
        assert!(chunk.time >= before && chunk.time <= SystemTime::now() + Duration::from_secs(1));
        let text = if chunk.origin == LogOrigin::Stdout { &mut stdout } else { &mut stderr };
        text.push_str(std::str::from_utf8(&chunk.bytes).unwrap());
    }
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\nno end", "err\n"));
    rig.end().await;
}

#[tokio::test]
async fn long_lines_and_many_lines_arrive_whole() {
    let Some(rig) = Rig::start("long_lines_and_many_lines_arrive_whole").await else { return };
    // The daemon keeps no more than 16 KiB in one piece.
    let action = rig.probe("long").await;
    let logs = action.container.take_logs().unwrap();
    action.run("import sys; sys.stdout.write('x' * 100000 + '\\n'); sys.stdout.write('y\\n' * 20000); result = 1").await;
    action.try_run("import os; os._exit(0)").await.unwrap_or_default();
    let (stdout, _) = read_to_end(logs).await;
    assert_eq!(stdout.len(), 100_001 + 40_000);
    assert!(stdout.starts_with(&"x".repeat(100_000)) && stdout.ends_with("y\ny\n"));
    rig.end().await;
}

#[tokio::test]
async fn a_stream_that_breaks_loses_and_doubles_nothing() {
    const TEST: &str = "a_stream_that_breaks_loses_and_doubles_nothing";
    let Ok(daemon) = crate::rig::Daemon::find() else {
        assert!(Rig::start(TEST).await.is_none());
        return;
    };
    let wire = Wire::to(&daemon.host);
    let host = wire.host();
    let change = |config: &mut oxwhisk_docker::DockerConfig| {
        config.address = host.parse().unwrap();
        config.retry.first_pause = Duration::from_millis(5);
    };
    let Some(rig) = Rig::with(TEST, change).await else { return };
    let script = "i=0; while [ $i -lt 400 ]; do echo out $i; echo err $i >&2; echo out $i again; i=$((i + 1)); \
                  [ $((i % 20)) -ne 0 ] || sleep 0.05; done";
    let container = rig.script("broken", script).await;
    let logs = container.take_logs().unwrap();
    let cuts = async {
        for round in 0..12 {
            tokio::time::sleep(Duration::from_millis(40 + 7 * round)).await;
            // Also once with nobody there for a while.
            wire.refuse(round == 5);
            wire.cut();
        }
        wire.refuse(false);
    };
    let ((stdout, stderr), ()) = tokio::join!(read_to_end(logs), cuts);
    let expected: String = (0..400).map(|number| format!("out {number}\nout {number} again\n")).collect();
    assert!(stdout == expected, "{} lines of {}", stdout.lines().count(), expected.lines().count());
    let expected: String = (0..400).map(|number| format!("err {number}\n")).collect();
    assert!(stderr == expected, "{} lines of {}", stderr.lines().count(), expected.lines().count());
    rig.end().await;
}

#[tokio::test]
async fn files_are_bounded_and_a_writer_is_never_stopped() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| {
        config.containers.logs.max_size = 64 << 10;
        config.containers.logs.max_files = 2;
    };
    let Some(rig) = Rig::with("files_are_bounded_and_a_writer_is_never_stopped", change).await else {
        return;
    };
    let action = rig.probe("flood").await;
    // Nobody reads: a pipe would hold 64 KiB.
    let flood = "import sys\nfor i in range(20000): sys.stdout.write('line %d\\n' % i)\nresult = 'done'";
    assert_eq!(action.run(flood).await, "'done'");
    let kept = || rig.daemon.docker(&["logs", &rig.docker_name(&*action.container)]);
    eventually("all of it is written", async || kept().ends_with("line 19999\n")).await;
    assert!(!kept().contains("line 0\n"), "{} bytes are kept", kept().len());
    action.run("import sys; sys.stdout.write('the last\\n')").await;
    action.try_run("import os; os._exit(0)").await.unwrap_or_default();
    let (stdout, _) = read_to_end(action.container.take_logs().unwrap()).await;
    assert!(stdout.ends_with("the last\n") && stdout.len() < 200 << 10);
    rig.end().await;
}

#[tokio::test]
async fn logs_of_a_container_that_was_removed_end() {
    let Some(rig) = Rig::start("logs_of_a_container_that_was_removed_end").await else { return };
    let container = rig.create(spec("gone", "silent")).await;
    let logs = container.take_logs().unwrap();
    container.destroy().await.unwrap();
    assert_eq!(read_to_end(logs).await, (String::new(), String::new()));
    rig.end().await;
}
