//! The proxy as a container's first process: signals, orphans, tidiness.

use std::{fs, io::BufReader, process::Command, thread};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::harness::{Proxy, activation, connect, echo_program, ok, post, shell_loop, wait_for};

fn pid(proxy: &Proxy) -> Pid {
    Pid::from_raw(i32::try_from(proxy.child.id()).unwrap())
}

fn is_alive(process: i32) -> bool {
    kill(Pid::from_raw(process), None).is_ok()
}

fn action_folders(proxy: &Proxy) -> usize {
    let entries = fs::read_dir(proxy.folder()).unwrap().filter_map(Result::ok);
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("oxwhisk-action-")).count()
}

#[test]
fn sigterm_ends_the_action_and_leaves_nothing() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("sleep 1000 & echo \"{\\\"loop\\\":$$,\\\"child\\\":$!}\" >&3"));
    let (status, answer) = proxy.run(&json!({}));
    assert_eq!(status, 200);
    assert_eq!(action_folders(&proxy), 1);
    kill(pid(&proxy), Signal::SIGTERM).unwrap();
    assert!(proxy.child.wait().unwrap().success());
    for process in ["loop", "child"] {
        let process = i32::try_from(answer[process].as_i64().unwrap()).unwrap();
        wait_for("the end of the action's processes", || !is_alive(process) || is_zombie(process));
    }
    assert_eq!(action_folders(&proxy), 0);
    assert!(!proxy.socket().exists());
}

/// Orphans of a test belong to whatever init this machine has, which may never reap.
fn is_zombie(process: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| state.starts_with('Z'))
}

#[test]
fn sigterm_ends_a_run_that_is_under_way() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho running >&2\nsleep 1000\n");
    let socket = proxy.socket();
    let run =
        thread::spawn(move || post(&mut BufReader::new(connect(&socket)), "/run", &activation(&json!({}))));
    wait_for("the run", || proxy.stderr().contains("running"));
    kill(pid(&proxy), Signal::SIGTERM).unwrap();
    assert_eq!(run.join().unwrap().0, 502, "the caller gets an answer");
    assert!(proxy.child.wait().unwrap().success());
}

#[test]
fn a_failed_init_leaves_no_folder() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(b"PK\x03\x04nonsense").0, 502);
    assert_eq!(action_folders(&proxy), 0);
}

#[test]
fn a_stale_socket_is_replaced_but_no_other_file() {
    let mut proxy = Proxy::start();
    proxy.child.kill().unwrap();
    proxy.child.wait().unwrap();
    assert!(proxy.socket().exists());
    let start = |socket: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oxwhisk-runtime-native"));
        command.env("OW_LISTEN", format!("unix:{}", socket.display())).spawn().unwrap()
    };
    let mut next = start(&proxy.socket());
    wait_for("the next proxy", || std::os::unix::net::UnixStream::connect(proxy.socket()).is_ok());
    next.kill().unwrap();
    next.wait().unwrap();

    let file = proxy.folder().join("file");
    fs::write(&file, "precious").unwrap();
    assert_eq!(start(&file).wait().unwrap().code(), Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn as_pid_1_it_reaps_orphans() {
    let unshare = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let usable = Command::new("unshare")
        .args(unshare)
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !usable {
        println!("skipped: this machine gives no user and pid namespaces");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(unshare).arg(env!("CARGO_BIN_EXE_oxwhisk-runtime-native"));
    let mut proxy = Proxy::spawn(command);
    // Each run leaves orphans that end at once; then it counts the zombies it sees.
    let count = "for stat in /proc/[0-9]*/stat; do read -r _ _ state _ < $stat 2>/dev/null && [ \"$state\" = Z ] && \
                 zombies=$((zombies+1)); done; ";
    let body = format!(
        "zombies=0; (true & true & sh -c 'true & true &' &) ; {count} echo \"{{\\\"pid\\\":$$,\\\"zombies\\\":$zombies}}\" >&3"
    );
    proxy.init_script(&shell_loop(&body));
    let first = proxy.run(&json!({})).1["pid"].clone();
    wait_for("a look without zombies", || {
        let (status, answer) = proxy.run(&json!({}));
        assert_eq!((status, &answer["pid"]), (200, &first), "reaping orphans left the loop alone");
        answer["zombies"] == json!(0)
    });
}

#[test]
fn skeleton_processes_are_all_reaped() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho \"{\\\"pid\\\":$$}\"\n");
    for _ in 0..5 {
        let process = i32::try_from(proxy.run(&json!({})).1["pid"].as_i64().unwrap()).unwrap();
        assert!(!is_alive(process), "waited for before the answer");
    }
}

#[test]
fn a_kill_from_outside_ends_the_action_between_runs() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&echo_program()), ok());
    assert_eq!(proxy.run(&json!({})).0, 200);
    let children = format!("/proc/{0}/task/{0}/children", proxy.child.id());
    let threads = fs::read_dir(format!("/proc/{}/task", proxy.child.id())).unwrap().filter_map(Result::ok);
    let child = threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .find_map(|children| children.trim().parse::<i32>().ok());
    let Some(child) = child else {
        println!("skipped: this kernel does not list children in {children}");
        return;
    };
    kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    wait_for("the reaping", || !is_alive(child));
    assert_eq!(proxy.run(&json!({})), crate::harness::error(400, "command exited"));
}
