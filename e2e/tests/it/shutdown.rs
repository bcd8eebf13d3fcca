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
