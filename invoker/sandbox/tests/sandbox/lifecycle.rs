//! Beginnings and ends: of sandboxes, of servers that die, of two servers side by side.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use oxwhisk_container::{ContainerFactory, CreateError, ExitReason};
use oxwhisk_sandbox::{SandboxFactory, SetupError};

use crate::harness::{Outcome, Test};
use crate::rig::{self, Rig, block_on, eventually};

pub(crate) const TESTS: &[Test] = &[
    ("lifecycle::exit_reasons_are_told", exit_reasons),
    ("lifecycle::a_suspended_sandbox_stands_still_and_goes_on", suspend),
    ("lifecycle::without_cgroups_a_sandbox_is_suspended_by_signals", suspend_by_signals),
    ("lifecycle::destroying_ends_everything_and_twice_is_once", destroy),
    ("lifecycle::a_dropped_sandbox_ends", dropped),
    ("lifecycle::what_cannot_run_is_refused_by_name", refused),
    ("lifecycle::more_sandboxes_than_slots_are_refused_and_slots_come_back", slots),
    ("lifecycle::two_servers_side_by_side", side_by_side),
    ("lifecycle::a_waiting_sandbox_holds_no_socket_of_its_parent", waiting),
    ("lifecycle::a_killed_launcher_is_replaced", launcher_killed),
    ("lifecycle::a_killed_server_leaves_nothing_that_its_successor_does_not_remove", server_killed),
    ("lifecycle::cold_starts_are_timed", cold_starts),
];

fn exit_reasons() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let ended = rig.script("seven", "exit 7").await.unwrap();
        let aborted = rig.script("abort", "exec python3 -c 'import os; os.abort()'").await.unwrap();
        rig::read_to_end(&*ended).await;
        assert_eq!(ended.exit_reason().await, Some(ExitReason::Exited(7)));
        rig::read_to_end(&*aborted).await;
        assert!(matches!(
            aborted.exit_reason().await,
            Some(ExitReason::Signalled(_) | ExitReason::Exited(_))
        ));
        for container in [ended, aborted] {
            container.destroy().await.unwrap();
        }
        rig.end().await;
        Ok(())
    })
}

fn suspend() -> Outcome {
    block_on(async { stands_still(Rig::start().await?).await })
}

fn suspend_by_signals() -> Outcome {
    block_on(async { stands_still(Rig::with(|config| config.cgroups = false).await?).await })
}

async fn stands_still(rig: Rig) -> Outcome {
    let action = rig.python("still").await;
    let tick = "
import builtins, threading, time
builtins.gap, builtins.ticks = 0, 0
def tick():
    last = time.monotonic()
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        builtins.gap, builtins.ticks, last = max(gap, now - last), ticks + 1, now
threading.Thread(target=tick, daemon=True).start()
while ticks < 10: time.sleep(0.001)
";
    action.run(tick).await;
    action.container.suspend().await.unwrap();
    let pause = Duration::from_millis(700);
    tokio::time::sleep(pause).await;
    assert_eq!(action.container.exit_reason().await, None);
    action.container.resume().await.unwrap();
    // The pause is known once the ticking thread has had its turn.
    let later = "start = ticks\nwhile ticks < start + 2: time.sleep(0.001)\nresult = gap";
    let later = &format!("import time\n{later}");
    let gap: f64 = action.run(later).await.parse().unwrap();
    assert!(gap >= pause.as_secs_f64() * 0.9, "it ran while it was suspended: {gap}");
    action.container.suspend().await.unwrap();
    // Also from here, without being resumed.
    action.end().await;
    rig.end().await;
    Ok(())
}

/// Host pids of processes whose command line has `mark` in it, beside this program's own.
fn marked(mark: &str) -> Vec<i32> {
    let is_marked = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    };
    let pids = std::fs::read_dir("/proc").unwrap();
    pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(is_marked).collect()
}

fn destroy() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let mark = format!("31{}", std::process::id());
        let script = format!("sleep {mark} & sleep {mark} & setsid sleep {mark} & wait");
        let container = rig.script("many", &script).await.unwrap();
        eventually("three children", || marked(&mark).len() >= 3).await;
        container.destroy().await.unwrap();
        assert_eq!(marked(&mark), [] as [i32; 0]);
        container.destroy().await.unwrap();
        assert_eq!(container.exit_reason().await, Some(ExitReason::Signalled(9)));
        rig.end().await;
        Ok(())
    })
}

fn dropped() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let mark = format!("32{}", std::process::id());
        let container = rig.script("dropped", &format!("sleep {mark} & sleep {mark}")).await.unwrap();
        eventually("two children", || marked(&mark).len() >= 2).await;
        drop(container);
        assert_eq!(marked(&mark), [] as [i32; 0]);
        rig.end().await;
        Ok(())
    })
}

fn refused() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let unknown = rig.factory.create(rig::spec("unknown", "cobol:85", &[])).await.unwrap_err();
        assert!(matches!(&unknown, CreateError::Unsupported { kind, .. } if kind == "cobol:85"), "{unknown}");
        let mut image = rig::spec("image", "blackbox", &[]);
        (image.image, image.user_provided_image) = ("evil/image".into(), true);
        let image = rig.factory.create(image).await.unwrap_err();
        assert!(image.to_string().contains("evil/image"), "{image}");
        let taken = SandboxFactory::start(rig::config(rig.directory.path())).await.unwrap_err();
        assert!(matches!(taken, SetupError::InUse(_)), "{taken}");
        rig.end().await;
        Ok(())
    })
}

fn slots() -> Outcome {
    block_on(async {
        let rig = Rig::with(|config| {
            config.max_sandboxes = 2;
            config.step_timeout = Duration::from_secs(3);
        })
        .await?;
        let (one, two) = (rig.python("one").await, rig.python("two").await);
        let error = rig.script("three", "true").await.unwrap_err();
        assert!(error.to_string().contains("2 of at most 2 sandboxes"), "{error}");
        one.end().await;
        assert_eq!(rig.shell("three", "echo ran").await, "ran\n");
        two.end().await;
        rig.end().await;
        Ok(())
    })
}

fn side_by_side() -> Outcome {
    block_on(async {
        let (left, right) = (Rig::start().await?, Rig::start().await?);
        assert_ne!(left.factory.gateway(), right.factory.gateway());
        let (one, two) = (left.python("same").await, right.python("same").await);
        let uid = "result = open('/proc/self/uid_map').read().split()[1]";
        assert_ne!(one.run(uid).await, two.run(uid).await);
        let gateway = right.factory.gateway().unwrap().to_string();
        let connect = format!("import socket; socket.create_connection(({gateway:?}, 53), 2)");
        assert!(
            one.run(&connect).await.contains("TimeoutError"),
            "one server's sandbox reached the other's gateway"
        );
        one.end().await;
        left.end().await;
        assert_eq!(two.run("result = 1").await, "1");
        two.end().await;
        right.end().await;
        Ok(())
    })
}

/// The launchers that are children of process `parent`; their forks are too, but wait under another name.
fn launchers_of(parent: u32) -> Vec<i32> {
    let is_launcher = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| {
            text.contains(&format!("\nPPid:\t{parent}\n")) && !text.contains("Name:\tow-standby\n")
        })
    };
    marked("oxwhisk-sandbox-launcher").into_iter().filter(is_launcher).collect()
}

/// Children of this process that wait for a program and are ready for it.
fn waiting_sandboxes() -> Vec<i32> {
    let waits = |pid: &i32| {
        let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let ours = read("status").contains(&format!("\nPPid:\t{}\n", std::process::id()));
        // The score is set last.
        ours && read("comm") == "ow-standby\n" && read("oom_score_adj") == "500\n"
    };
    marked("oxwhisk-sandbox-launcher").into_iter().filter(waits).collect()
}

/// Otherwise the server would not see that the parent is gone.
fn waiting() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        rig.shell("first", "true").await;
        eventually("sandboxes wait", || waiting_sandboxes().len() == 2).await;
        for pid in waiting_sandboxes() {
            let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
            let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
            assert_eq!(sockets, 1, "it speaks with the server alone");
        }
        rig.end().await;
        assert_eq!(waiting_sandboxes(), [0; 0], "they end with the factory");
        Ok(())
    })
}

fn launcher_killed() -> Outcome {
    block_on(async {
        if !nix::unistd::geteuid().is_root() {
            return Err("not root: the launcher holds the sandboxes' network and cannot be replaced".into());
        }
        let rig = Rig::start().await?;
        let action = rig.python("before").await;
        let launchers = launchers_of(std::process::id());
        assert_eq!(launchers.len(), 1);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(launchers[0]), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        // The loss is noticed by the next request, which fails; from then on there is a new one.
        let deadline = Instant::now() + rig::LIMIT;
        while let Err(error) = rig.script("after", "true").await {
            assert!(Instant::now() < deadline, "{error}");
        }
        assert_eq!(action.run("result = 'still here'").await, "'still here'");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

const VICTIM: &str = "OXWHISK_TEST_VICTIM";

/// Whether this process was started to be killed.
pub(crate) fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

/// Starts sandboxes, says so, and waits to be killed.
#[expect(clippy::print_stdout, reason = "the killer reads it")]
pub(crate) fn be_victim() -> ExitCode {
    let directory = std::env::var_os(VICTIM).unwrap();
    let outcome = block_on(async {
        let factory = SandboxFactory::start(rig::config(Path::new(&directory))).await;
        let factory = factory.map_err(|error| error.to_string())?;
        let mark = std::env::var("MARK").unwrap();
        let script = format!("sleep {mark} & sleep {mark}");
        let mut kept = Vec::new();
        for name in ["running", "suspended"] {
            kept.push(factory.create(rig::spec(name, "sh:1", &[("SCRIPT", &script)])).await.unwrap());
        }
        eventually("its children", || marked(&mark).len() >= 4).await;
        kept[1].suspend().await.unwrap();
        println!("ready");
        std::future::pending().await
    });
    println!("{outcome:?}");
    ExitCode::FAILURE
}

fn start_victim(directory: &Path, mark: &str) -> Child {
    let mut victim = Command::new("/proc/self/exe")
        .env(VICTIM, directory)
        .env("MARK", mark)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    victim
}

fn server_killed() -> Outcome {
    block_on(async {
        // To be told why, where no factory can be had.
        Rig::start().await?.end().await;
        let directory = tempfile::tempdir().unwrap();
        let mark = format!("33{}", std::process::id());
        let mut victim = start_victim(directory.path(), &mark);
        let launchers = launchers_of(victim.id());
        assert_eq!(launchers.len(), 1);
        victim.kill().unwrap();
        victim.wait().unwrap();
        let gone = || !Path::new(&format!("/proc/{}", launchers[0])).exists();
        eventually("the launcher's end", gone).await;
        // Where only the old freezer exists, the suspended ones stay until the next start.
        let factory = SandboxFactory::start(rig::config(directory.path())).await.unwrap();
        eventually("the sandboxes' end", || marked(&mark).is_empty()).await;
        let container =
            factory.create(rig::spec("running", "sh:1", &[("SCRIPT", "echo again")])).await.unwrap();
        assert_eq!(rig::read_to_end(&*container).await, "again\n");
        factory.shutdown().await.unwrap();
        let gateway = factory.gateway().unwrap().to_string();
        drop((container, factory));
        let addresses = Command::new("ip").args(["-4", "addr"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&addresses.stdout).contains(&format!("inet {gateway}/")));
        Ok(())
    })
}

#[expect(clippy::print_stdout, reason = "the figures are for whoever runs the tests")]
fn cold_starts() -> Outcome {
    block_on(async {
        for cgroups in [true, false] {
            let rig = Rig::with(|config| (config.spare_slots, config.cgroups) = (16, cgroups)).await?;
            let mut times = Vec::new();
            for number in 0..50 {
                times.push(time_one(&rig, &format!("cold{number}")).await);
            }
            let median = |index: usize| {
                let mut all: Vec<_> = times.iter().map(|time| time[index]).collect();
                all.sort();
                all[all.len() / 2]
            };
            println!(
                "cold start, cgroups {cgroups}, median of {}: {:?} to exec, {:?} to the end of `sh -c :`; destroy {:?}",
                times.len(),
                median(0),
                median(1),
                median(2)
            );
            rig.end().await;
        }
        Ok(())
    })
}

/// Times from the request to `exec` and to the end of an empty script, and of destroying it.
async fn time_one(rig: &Rig, name: &str) -> [Duration; 3] {
    let begin = Instant::now();
    let container = rig.script(name, ":").await.unwrap();
    let started = begin.elapsed();
    rig::read_to_end(&*container).await;
    let done = begin.elapsed();
    let end = Instant::now();
    container.destroy().await.unwrap();
    [started, done, end.elapsed()]
}
