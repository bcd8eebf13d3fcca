//! Attacks that take what all need: places, memory, the attention of the proxy. Others are served all the same.

use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{Server, ServerOptions, Tenant, action, shared, wait};
use serde_json::{Value, json};

use super::attack_secrets::redis_of;
use super::{HELPER_JS, RAW, helped, is_there, python, run, said, with_cache};

const MUCH: &str = include_str!("actions/much.py");
const FLOOD: &str = include_str!("actions/flood.py");

#[test]
fn a_flood_drowns_nobody_else() {
    let test = "a_flood_drowns_nobody_else";
    if !is_there(test) || !shared::is_standalone(test, "a deployment of a test's own has no cache") {
        return;
    }
    let Some(server) = shared::own_server(test, &ServerOptions::default()) else { return };
    let (attacker, victim) = (server.special(Special::Busy), server.tenant(1));
    attacker.create("control", &python(RAW, json!("namespace")));
    let flood = python(FLOOD, json!("namespace"));
    attacker.create("flood", &action::with(flood, "limits", json!({"timeout": 300_000, "memory": 512})));
    victim.create("a", &with_cache(action::nodejs(HELPER_JS), json!(true)));
    for how in ["strangers", "announced", "unread"] {
        let id = attacker.fire("flood", &json!({"how": how}));
        wait::until(&format!("the flood of {how}"), || {
            // Its own namespace may be told to come later; others may not.
            let flooded = run(&attacker, "control", &json!({"commands": [["GET", "flooded"]]}));
            match &flooded["replies"][0] {
                Value::String(text) if text == "1" => Ok(()),
                other => Err(other.to_string()),
            }
        });
        // On a new connection: the action is another one each time.
        let name = format!("new-{how}");
        victim.create(&name, &with_cache(action::nodejs(HELPER_JS), json!(true)));
        for name in [&name, "a"] {
            let large = "y".repeat(100 << 10);
            let replies =
                helped(&victim, name, &json!([["set", "k", large], ["get", "k"], ["increment", how]]));
            assert_eq!(replies, json!([null, large, 1]), "{how}");
        }
        assert_eq!(
            said(&attacker, "control", &json!([["DEL", "flooded"], ["SET", "go", "1"]])),
            json!([1, "OK"])
        );
        let record = attacker.record(&id);
        assert_eq!(record["response"]["result"]["told"], "1", "{how}: {record}");
        assert_eq!(said(&attacker, "control", &json!([["DEL", "go"]])), json!([1]));
    }
    let redis = redis_of(&server).as_raw();
    for id in server.process_ids().into_iter().map(u32::cast_signed).chain([redis]) {
        let kilobytes = most_memory(id);
        assert!(kilobytes < 1 << 20, "process {id} had {kilobytes} kB");
    }
}

/// Kilobytes that a process has had at most.
fn most_memory(id: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    most.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A server, somebody who asks for much, and somebody else.
fn with_asker(test: &str) -> Option<(Server, Tenant, Tenant)> {
    if !is_there(test) || !shared::is_standalone(test, "a deployment of a test's own has no cache") {
        return None;
    }
    let server = shared::own_server(test, &ServerOptions::default())?;
    let (attacker, victim) = (server.tenant(0), server.special(Special::Busy));
    attacker.create("a", &python(MUCH, json!(true)));
    attacker.create("pick", &python(RAW, json!(true)));
    victim.create("a", &with_cache(action::nodejs(HELPER_JS), json!(true)));
    assert_eq!(helped(&victim, "a", &json!([["set", "k", "v"]])), json!([null]));
    Some((server, attacker, victim))
}

#[test]
fn little_that_asks_for_much_does_not_fill_the_machine() {
    let Some((server, attacker, victim)) = with_asker("little_that_asks_for_much") else { return };
    let redis = redis_of(&server);
    // A gigabyte.
    let result = run(&attacker, "a", &json!({"bytes": 2 << 20, "times": 500}));
    assert_eq!((&result["replies"], &result["served"]), (&json!(500), &json!(0)), "{result}");
    let refused = said(&attacker, "pick", &json!([["SADD", "s", "x"], ["SRANDMEMBER", "s", "-2000000000"]]));
    assert!(refused[1].as_str().is_some_and(|text| text.starts_with("-NOPERM at most 10000 ")), "{refused}");
    wait::until("others to be served", || {
        let replies = helped(&victim, "a", &json!([["get", "k"], ["set", "l", "w"], ["get", "l"]]));
        if replies == json!(["v", null, "w"]) { Ok(()) } else { Err(replies.to_string()) }
    });
    assert_eq!(redis_of(&server), redis, "it is the same");
    let kilobytes = most_memory(redis.as_raw());
    assert!(kilobytes < 1 << 20, "redis-server had {kilobytes} kB");
}
