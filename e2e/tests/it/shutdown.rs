//! Stopping: what was begun is finished and answered.

use std::thread;

use nix::sys::signal::Signal;
use oxwhisk_e2e::{Server, ServerOptions, action, shared, wait};
use serde_json::json;

/// Says that it runs by creating the action `running` through the API, then takes its time.
const ANNOUNCE_AND_SLEEP: &str = "
function main(args) {
    const url = process.env.__OW_API_HOST + '/api/v1/namespaces/_/actions/running';
    const key = 'Basic ' + Buffer.from(process.env.__OW_API_KEY).toString('base64');
    const body = JSON.stringify({exec: {kind: 'nodejs:default', code: 'function main() {}'}});
    const headers = {authorization: key, 'content-type': 'application/json'};
    return fetch(url, {method: 'PUT', headers, body})
        .then(r => new Promise(done => setTimeout(() => done({status: r.status}), args.ms)));
}";

fn begin(test: &str, options: &ServerOptions) -> Option<Server> {
    let server = shared::own_server(test, options)?;
    let annotations = json!([{"key": "provide-api-key", "value": true}]);
    let body = action::with(action::nodejs(ANNOUNCE_AND_SLEEP), "annotations", annotations);
    server.tenant(0).create("slow", &body);
    Some(server)
}

fn await_running(server: &Server) {
    let tenant = server.tenant(0);
    wait::until("the action to say that it runs", || {
        let response = tenant.get("actions/running");
        if response.status == 200 { Ok(()) } else { Err(format!("{response:?}")) }
    });
}

fn signal_lets_a_blocking_invocation_end(test: &str, signal: Signal) {
    let Some(mut server) = begin(test, &ServerOptions::default()) else { return };
    let tenant = server.tenant(0);
    let caller = thread::spawn(move || tenant.call_for_result("slow", &json!({"ms": 2_000})));
    await_running(&server);
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
    await_running(&server);
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
