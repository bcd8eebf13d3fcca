//! Stopping: what was begun is finished and answered.

use std::thread;

use nix::sys::signal::Signal;
use oxwhisk_e2e::{Server, ServerOptions, action, shared};
use serde_json::json;

use crate::announcing;

fn begin(test: &str, options: &ServerOptions) -> Option<Server> {
    let server = shared::own_server(test, options)?;
    announcing::create(&server.tenant(0), "slow");
    Some(server)
}

fn signal_lets_a_blocking_invocation_end(test: &str, signal: Signal) {
    let Some(mut server) = begin(test, &ServerOptions::default()) else { return };
    let tenant = server.tenant(0);
    let caller = thread::spawn(move || tenant.call_for_result("slow", &json!({"ms": 2_000})));
    announcing::await_running(&server.tenant(0));
    server.signal(signal);
    let status = server.wait_exit();
    let response = caller.join().expect("the caller got an answer").expect(200);
    assert_eq!(response.json(), json!({"status": 200}));
    assert!(status.success(), "ended with {status}");
    assert!(server.api().get("/ping").try_send().is_err(), "it still answers");
}

#[test]
fn sigterm_lets_a_blocking_invocation_end() {
    signal_lets_a_blocking_invocation_end("sigterm_lets_a_blocking_invocation_end", Signal::SIGTERM);
}

#[test]
fn sigint_lets_a_blocking_invocation_end() {
    signal_lets_a_blocking_invocation_end("sigint_lets_a_blocking_invocation_end", Signal::SIGINT);
}

#[test]
fn sigterm_loses_no_accepted_invocation() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::default().data_dir(data.path());
    let Some(mut server) = begin("sigterm_loses_no_accepted_invocation", &options) else { return };
    let tenant = server.tenant(0);
    let mut ids = vec![tenant.fire("slow", &json!({"ms": 1_000}))];
    announcing::await_running(&server.tenant(0));
    tenant.create("echo", &action::nodejs(action::ECHO));
    ids.extend((0..20).map(|n| tenant.fire("echo", &json!({"n": n}))));
    server.signal(Signal::SIGTERM);
    assert!(server.wait_exit().success());

    let server = Server::start(&options);
    let tenant = server.tenant(0);
    for id in ids {
        assert_eq!(tenant.record(&id)["response"]["status"], "success");
    }
}

fn cut_off(test: &str, delivery: &str) -> Option<serde_json::Value> {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::default().data_dir(data.path()).env("CONFIG_oxwhisk_shutdownGrace", "200ms");
    let mut server = shared::own_server(test, &options)?;
    let tenant = server.tenant(0);
    announcing::create_with(&tenant, "patient", delivery);
    let id = tenant.fire("patient", &json!({"ms": 60_000, "once": true}));
    announcing::await_running(&tenant);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_exit().success());

    let server = Server::start(&options);
    let record = server.tenant(0).record(&id);
    Some(record["response"].clone())
}

#[test]
fn an_accepted_invocation_that_the_grace_period_cuts_off_runs_again() {
    let test = "an_accepted_invocation_that_the_grace_period_cuts_off_runs_again";
    let Some(response) = cut_off(test, "at-least-once") else { return };
    assert_eq!((&response["status"], &response["result"]), (&json!("success"), &json!({"attempt": "2"})));
}

#[test]
fn one_that_must_not_run_twice_is_recorded_as_cut_off() {
    let test = "one_that_must_not_run_twice_is_recorded_as_cut_off";
    let Some(response) = cut_off(test, "at-most-once") else { return };
    let error = json!({"error": "The invoker was shut down while the action ran."});
    assert_eq!((&response["status"], &response["result"]), (&json!("whisk internal error"), &error));
}
