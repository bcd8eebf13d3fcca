//! What a container cannot do.

use std::time::Duration;

use oxwhisk_container::ExitReason;

use crate::rig::{LIMIT, Rig, eventually, spec};

#[tokio::test]
async fn memory_is_limited_and_its_lack_is_told() {
    let Some(rig) = Rig::start("memory_is_limited_and_its_lack_is_told").await else { return };
    let action = rig.probe("memory").await;
    assert_eq!(action.run("result = len(bytearray(64 << 20))").await, (64 << 20).to_string());
    let greedy = action.try_run("result = len(bytearray(1 << 30))").await;
    assert!(!greedy.is_ok_and(|answer| answer.contains("1073741824")), "it got a gigabyte");
    let container = &action.container;
    eventually("the end is noticed", async || container.exit_reason().await.is_some()).await;
    assert_eq!(container.exit_reason().await, Some(ExitReason::OutOfMemory));
    rig.end().await;
}

#[tokio::test]
async fn privileges_processes_and_files_are_limited() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| config.containers.pids_limit = 40;
    let Some(rig) = Rig::with("privileges_processes_and_files_are_limited", change).await else { return };
    let action = rig.probe("limits").await;
    let status = action.run("result = open('/proc/self/status').read()").await;
    assert!(status.contains("NoNewPrivs:\\t1"), "{status}");
    let bounding =
        status.split("CapBnd:\\t").nth(1).and_then(|rest| u64::from_str_radix(&rest[..16], 16).ok());
    let (net_admin, net_raw, sys_admin) = (1 << 12, 1 << 13, 1 << 21);
    assert_eq!(bounding.unwrap() & (net_admin | net_raw | sys_admin), 0, "{status}");
    assert!(status.contains("Seccomp:\\t2"), "{status}");
    assert_eq!(
        action.run("import resource as r; result = r.getrlimit(r.RLIMIT_NOFILE)").await,
        "(1024, 1024)"
    );
    let raw = "import socket as s; s.socket(s.AF_INET, s.SOCK_RAW, s.IPPROTO_ICMP)";
    assert!(action.run(raw).await.contains("PermissionError"));
    let fork = "import os, signal, time\npids = []\ntry:\n  while len(pids) < 100:\n    pid = os.fork()\n    \
                if pid == 0: time.sleep(60); os._exit(0)\n    pids.append(pid)\nexcept OSError: pass\n\
                for pid in pids: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)\nresult = len(pids) < 40";
    assert_eq!(action.run(fork).await, "True");
    rig.end().await;
}

#[tokio::test]
async fn processors_are_shared_by_weight() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| {
        config.containers.user_cpus = Some(2.0);
        config.containers.user_memory = 512 << 20;
    };
    let Some(rig) = Rig::with("processors_are_shared_by_weight", change).await else { return };
    let container = rig.create(spec("cpu", "silent")).await;
    let format = "{{.HostConfig.CpuShares}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.MemorySwap}}";
    assert_eq!(rig.inspect(&*container, format), "128 500000000 1024 134217728");
    let format = "{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config \"max-file\"}}";
    assert_eq!(rig.inspect(&*container, format), "json-file 3");
    rig.end().await;
}

/// A container that never listens is waited for as long as its caller likes, and no longer.
#[tokio::test]
async fn silence_is_not_taken_for_an_end() {
    let Some(rig) = Rig::start("silence_is_not_taken_for_an_end").await else { return };
    let container = rig.create(spec("silent", "silent")).await;
    let listening = tokio::time::timeout(Duration::from_millis(500), container.listening()).await;
    assert!(listening.is_err());
    assert_eq!(container.exit_reason().await, None);
    tokio::time::timeout(LIMIT, container.destroy()).await.unwrap().unwrap();
    rig.end().await;
}
