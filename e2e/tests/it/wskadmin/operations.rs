//! Invokers, queues, dead letters, caches, configuration.

use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{ServerOptions, action, shared, wait};
use serde_json::{Value, json};

use super::server;

fn json_of(admin: &Wskadmin, args: &[&str]) -> Value {
    serde_json::from_str(&admin.output(&[args, &["--json"]].concat())).expect("JSON")
}

#[test]
fn a_disabled_invoker_gets_no_work_until_it_is_enabled() {
    let name = "a_disabled_invoker_gets_no_work_until_it_is_enabled";
    let Some(server) = shared::own_server(name, &ServerOptions::default()) else { return };
    let (admin, tenant) = (Wskadmin::of(&server), server.tenant(0));
    tenant.create("a", &action::nodejs(action::ECHO));
    tenant.call("a", &json!({})).expect(200);
    let listed = json_of(&admin, &["invoker", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["mode"]), (&json!("invoker0"), &json!("enabled")));
    assert!(listed[0]["memoryMb"].as_u64().is_some_and(|memory| memory > 0), "{listed}");

    admin.expect(&["invoker", "drain", "invoker0"], 0, "invoker0 is drained.\n");
    admin.expect(&["invoker", "disable", "0"], 0, "invoker0 is already disabled.\n");
    assert_eq!(json_of(&admin, &["invoker", "list"])[0]["health"], "down");
    tenant.call("a", &json!({})).expect(503);
    let id = tenant.fire("a", &json!({}));
    let depth = |topic: &str| json_of(&admin, &["queue", "depth"])[topic].as_u64().expect("a number");
    assert_eq!(depth("activations"), 1);
    admin.expect(&["invoker", "enable", "invoker0"], 0, "invoker0 is now enabled.\n");
    tenant.record(&id);
    wait::until("an empty queue", || match depth("activations") {
        0 => Ok(()),
        depth => Err(depth.to_string()),
    });
    let missing = "Failed to enable invoker7 (there is no invoker 7)\n";
    admin.expect(&["invoker", "enable", "7"], 1, missing);
}

#[test]
fn draining_waits_for_what_runs() {
    let name = "draining_waits_for_what_runs";
    let Some(server) = shared::own_server(name, &ServerOptions::default()) else { return };
    let (admin, tenant) = (Wskadmin::of(&server), server.tenant(0));
    let slow = "function main() { return new Promise(done => setTimeout(() => done({slept: true}), 3000)) }";
    tenant.create("slow", &action::nodejs(slow));
    let id = tenant.fire("slow", &json!({}));
    wait::until("a running activation", || {
        match json_of(&admin, &["invoker", "list"])[0]["running"].as_u64() {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let still = "invoker0 gets no new work and still runs 1 activations after 0 s\n";
    admin.expect(&["invoker", "drain", "0", "--wait", "0"], 1, still);
    admin.expect(&["invoker", "drain", "0"], 0, "invoker0 is drained.\n");
    assert_eq!(tenant.record(&id)["response"]["result"]["slept"], true);
}

#[test]
fn queues_caches_and_dead_letters_are_told() {
    let Some((_, admin)) = server("queues_caches_and_dead_letters_are_told") else { return };
    let depths = admin.output(&["queue", "depth"]);
    let names: Vec<&str> = depths.lines().filter_map(|line| line.split(" = ").next()).collect();
    assert_eq!(names, ["activations", "activations.parked", "inflight", "completed", "dead-letters"]);
    admin.expect(&["cache", "invalidate"], 0, "Cache invalidated: all\n");
    admin.expect(&["cache", "invalidate", "identities"], 0, "Cache invalidated: identities\n");
    admin.expect(&["deadletter", "list"], 0, "no dead letters\n");
    admin.expect(&["deadletter", "drop", "--all"], 0, "");
    let missing = "Failed to redrive dead letters (there is no dead letter 'x')\n";
    admin.expect(&["deadletter", "redrive", "x"], 1, missing);
    let missing = "Failed to show dead letter (there is no dead letter 'x')\n";
    admin.expect(&["deadletter", "show", "x"], 1, missing);
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let Some((_, admin)) = server("the_configuration_is_shown_without_secrets") else { return };
    let shown = admin.output(&["config", "show"]);
    assert!(shown.contains("whisk.users.guest = \"<redacted>\""), "{shown}");
    assert!(shown.contains("whisk.memory.max = \"512 MB\"  # default"), "{shown}");
    assert!(!shown.contains("123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP"), "{shown}");
}
