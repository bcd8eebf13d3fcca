//! Invocations, each kind in the image that the manifest names.

use oxwhisk_e2e::docker::Docker;
use oxwhisk_e2e::{action, shared, wait};
use serde_json::{Value, json};

use super::{WHERE, container_of, inspect};

const NODEJS: &str = "function main(args) { console.log('out'); console.error('err'); \
                      return {n: args.n, container: require('os').hostname()} }";
const PYTHON: &str = "import os, sys\ndef main(args):\n    print('out')\n    print('err', file=sys.stderr)\n    \
                      return {'n': args['n'], 'container': os.uname().nodename}\n";
const NATIVE: &str = "#!/bin/sh\necho out\necho err >&2\nn=$(printf '%s' \"$1\" | tr -dc 0-9)\n\
                      echo \"{\\\"n\\\": $n, \\\"container\\\": \\\"$(hostname)\\\"}\"\n";

/// Runs an action twice and checks its results, its logs and its container.
#[track_caller]
fn check_runtime(test: &str, body: &Value, image: &str) {
    let Some(docker) = Docker::of_cluster(test) else { return };
    let tenant = shared::tenant();
    tenant.create("a", body);
    for n in 1..=2 {
        let record = tenant.call_and_get_record("a", &json!({"n": n}));
        let result = &record["response"]["result"];
        assert_eq!((&record["response"]["status"], &result["n"]), (&json!("success"), &json!(n)), "{record}");
        let lines = record["logs"].as_array().expect("logs").iter();
        let mut logs: Vec<&str> = lines.filter_map(|line| line.as_str()?.get(31..)).collect();
        // The two streams have no order.
        logs.sort_unstable();
        assert_eq!(logs, ["stderr: err", "stdout: out"], "{record}");
        let container = inspect(&docker, result);
        assert_eq!(container["Config"]["Image"], image, "{container}");
        assert_eq!(container["HostConfig"]["Memory"], 256 << 20, "{container}");
    }
}

#[test]
fn nodejs_runs_in_its_image() {
    check_runtime("nodejs_runs_in_its_image", &action::nodejs(NODEJS), "oxwhisk/nodejs:cluster");
}

#[test]
fn python_runs_in_its_image() {
    check_runtime("python_runs_in_its_image", &action::python(PYTHON), "oxwhisk/python:cluster");
}

#[test]
fn a_native_action_runs_in_the_skeletons_image() {
    let test = "a_native_action_runs_in_the_skeletons_image";
    check_runtime(test, &action::native(NATIVE), "openwhisk/dockerskeleton:latest");
}

#[test]
fn a_container_is_kept_for_the_next_run() {
    let Some(docker) = Docker::of_cluster("a_container_is_kept_for_the_next_run") else { return };
    let tenant = shared::tenant();
    let first = container_of(&docker, &tenant, "a");
    let again = tenant.call_for_result("a", &json!({})).expect(200).json();
    assert_eq!(inspect(&docker, &again)["Id"], first["Id"]);
}

#[test]
fn an_action_reaches_the_api() {
    if Docker::of_cluster("an_action_reaches_the_api").is_none() {
        return;
    }
    let code = "function main() { return new Promise((done, fail) => require('http').get(process.env.__OW_API_HOST + '/ping', answer => { \
                let text = ''; answer.on('data', part => text += part); \
                answer.on('end', () => done({status: answer.statusCode, text})) }).on('error', fail)) }";
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(code));
    assert_eq!(
        tenant.call_for_result("a", &json!({})).expect(200).json(),
        json!({"status": 200, "text": "pong"})
    );
}

#[test]
fn an_action_that_runs_too_long_loses_its_container() {
    let Some(docker) = Docker::of_cluster("an_action_that_runs_too_long_loses_its_container") else { return };
    let tenant = shared::tenant();
    let code = "function main(args) { return args.last ? new Promise(() => {}) : {container: require('os').hostname()} }";
    tenant.create("a", &action::nodejs_with_timeout(code, 3_000));
    let first = tenant.call_for_result("a", &json!({})).expect(200).json();
    let id = inspect(&docker, &first)["Id"].as_str().expect("an id").to_owned();
    let answer = tenant.call("a", &json!({"last": true})).expect(502).json();
    let text = "The action exceeded its time limits of 3000 milliseconds.";
    assert_eq!(answer["response"]["result"]["error"], text, "{answer}");
    wait_until_gone(&docker, &id);
}

#[test]
fn an_action_that_takes_too_much_memory_is_told_so() {
    let Some(docker) = Docker::of_cluster("an_action_that_takes_too_much_memory_is_told_so") else { return };
    let tenant = shared::tenant();
    let code = "import os\ndef main(args):\n    if 'size' in args:\n        return {'size': len(bytearray(args['size']))}\n    \
                return {'container': os.uname().nodename}\n";
    tenant.create("a", &action::with(action::python(code), "limits", json!({"memory": 128})));
    let first = tenant.call_for_result("a", &json!({})).expect(200).json();
    let id = inspect(&docker, &first)["Id"].as_str().expect("an id").to_owned();
    let answer = tenant.call("a", &json!({"size": 1 << 30})).expect(502).json();
    let response = &answer["response"];
    assert_eq!(response["status"], "action developer error", "{answer}");
    assert_eq!(response["result"]["error"], "The action exhausted its memory and was aborted.", "{answer}");
    wait_until_gone(&docker, &id);
    // The next run gets a container of its own.
    let next = tenant.call_for_result("a", &json!({})).expect(200).json();
    assert_ne!(inspect(&docker, &next)["Id"], id);
}

#[test]
fn what_the_daemon_is_asked_for_is_what_openwhisk_asks_for() {
    let Some(docker) = Docker::of_cluster("what_the_daemon_is_asked_for") else { return };
    let tenant = shared::tenant();
    tenant.create("a", &action::with(action::nodejs(WHERE), "limits", json!({"memory": 128})));
    let answer = tenant.call_for_result("a", &json!({})).expect(200).json();
    let host = &inspect(&docker, &answer)["HostConfig"];
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(128 << 20), &json!(128 << 20)), "{host}");
    assert_eq!(host["PidsLimit"], 1024, "{host}");
    assert_eq!(host["Ulimits"], json!([{"Name": "nofile", "Hard": 1024, "Soft": 1024}]), "{host}");
    for dropped in ["NET_RAW", "NET_ADMIN"] {
        let list = host["CapDrop"].as_array().expect("a list").iter();
        assert!(list.filter_map(Value::as_str).any(|name| name.ends_with(dropped)), "{host}");
    }
}

#[track_caller]
fn wait_until_gone(docker: &Docker, id: &str) {
    wait::until("the container is removed", || match docker.inspect(id) {
        None => Ok(()),
        Some(details) => Err(details["State"].to_string()),
    });
}
