//! Attacks by code that runs as root in its container: it looks for a way to the cache's server past its proxy.

use std::net::{IpAddr, TcpListener};

use oxwhisk_e2e::docker::Docker;
use oxwhisk_e2e::{action, report, shared};
use serde_json::{Value, json};

use super::attack_secrets::Redis;
use super::{python, run, tenant};

const REACH: &str = include_str!("actions/reach.py");

/// Those that this machine has for others.
fn addresses() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut addresses: Vec<String> = Vec::new();
    let mut last = "";
    for line in table.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            last = address;
        } else if line.contains("/32 host LOCAL")
            && !last.starts_with("127.")
            && !addresses.iter().any(|known| known == last)
        {
            addresses.push(last.to_owned());
        }
    }
    addresses
}

#[test]
fn nothing_but_the_proxy_can_be_reached() {
    let test = "nothing_but_the_proxy_can_be_reached";
    let Some(tenant) = tenant(test) else { return };
    if Docker::instead_of_sandboxes(test) {
        return;
    }
    // What listens on this machine, for it to be found if there were a way.
    let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
    let own = listener.local_addr().expect("it listens").port();
    tenant.create("a", &action::with(python(REACH, json!(true)), "limits", json!({"timeout": 300_000})));
    let gateway = gateway(&run_probe(&tenant));
    let others: Vec<String> =
        addresses().into_iter().filter(|address| *address != gateway).take(20).collect();
    for address in others.iter().chain([&gateway]) {
        let address: IpAddr = address.parse().expect("an address");
        assert!(std::net::TcpStream::connect((address, own)).is_ok(), "{address} has a port that is open");
    }
    let sockets: Vec<String> = match shared::server() {
        Some(server) if nix::unistd::Uid::effective().is_root() => {
            vec![Redis::of(server).socket().display().to_string()]
        }
        _ => Vec::new(),
    };
    let ports = json!([own, 22, 6379, 6380, 3233]);
    let result = run(&tenant, "a", &json!({"addresses": others, "ports": ports, "sockets": sockets}));

    let api =
        result["api"].as_str().and_then(|url| url.rsplit(':').next()).and_then(|port| port.parse().ok());
    let may = [Some(53), api, result["cache"].as_u64()];
    let open: Vec<u64> =
        result["gateway"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    assert!(open.iter().all(|port| may.contains(&Some(*port))), "{open:?} of {may:?}");
    assert!(open.contains(&result["cache"].as_u64().expect("a port")), "what is open is found: {open:?}");
    for (address, open) in result["host"].as_object().expect("a table") {
        assert_eq!(*open, json!([]), "at {address}");
    }
    assert_eq!(result["loopback"], json!([]), "its loopback device is its own");
    let sockets = result["sockets"].as_object().expect("a table");
    for (name, heard) in sockets {
        let is_own = ["/tmp/own.sock", "@own"].contains(&name.as_str());
        let is_redis = heard.as_str().is_some_and(|text| text.starts_with(['+', '-']));
        assert_eq!(is_redis, is_own, "{sockets:?}");
    }
    if others.is_empty() {
        report::skipped(test, "this machine has no other address than the one that actions see");
    }
}

/// An action that only tells where it is.
#[track_caller]
fn run_probe(tenant: &oxwhisk_e2e::Tenant) -> Value {
    tenant.create("probe", &super::with_cache(action::nodejs(action::ENVIRONMENT), json!(true)));
    run(tenant, "probe", &json!({}))
}

fn gateway(environment: &Value) -> String {
    let url = environment["__OW_CACHE_URL"].as_str().unwrap_or_default();
    url.trim_start_matches("redis://").split(':').next().unwrap_or_default().to_owned()
}
