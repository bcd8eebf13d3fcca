//! How runtimes come to run: forked where they can be, and apart from each other all the same.

use std::collections::BTreeSet;

use oxwhisk_e2e::docker::Docker;
use oxwhisk_e2e::{action, shared};
use serde_json::{Value, json};

/// Only forks of a zygote show its environment; the action's own has none of it.
const PYTHON: &str = "
import os, random, threading, subprocess
def main(args):
    with open('/proc/1/environ') as file:
        forked = 'OW_ZYGOTE=' in file.read()
    child = subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout.strip()
    return {'forked': forked, 'random': random.random(), 'leaked': [n for n in os.environ if 'ZYGOTE' in n],
            'pid': os.getpid(), 'files': os.listdir('/tmp'), 'threads': threading.active_count(), 'child': child}
";

/// More than any start by hand would need.
const ATTEMPTS: usize = 50;

#[test]
fn python_is_forked_once_it_was_used_and_forks_are_apart() {
    if Docker::instead_of_sandboxes("python_is_forked_once_it_was_used_and_forks_are_apart") {
        return;
    }
    let tenant = shared::tenant();
    let mut forks: Vec<Value> = Vec::new();
    for number in 0..ATTEMPTS {
        let name = format!("python{number}");
        tenant.create(&name, &action::python(PYTHON));
        let result = tenant.call_for_result(&name, &json!({})).expect(200).json();
        assert_eq!(result["pid"], 1, "{result}");
        assert_eq!((&result["leaked"], &result["child"]), (&json!([]), &json!("child")), "{result}");
        if result["forked"] == true {
            forks.push(result);
        }
        if forks.len() == 3 {
            break;
        }
    }
    let hint = "python was not forked: is liboxwhisk_sandbox_zygote.so beside the server? (`cargo build`)";
    assert_eq!(forks.len(), 3, "{hint}");
    let drawn: BTreeSet<String> = forks.iter().map(|fork| fork["random"].to_string()).collect();
    assert_eq!(drawn.len(), 3, "forks drew the same numbers: {forks:?}");
}

#[test]
fn the_native_proxy_needs_no_executing() {
    if Docker::instead_of_sandboxes("the_native_proxy_needs_no_executing") {
        return;
    }
    let tenant = shared::tenant();
    let script = "#!/bin/sh\nread name < /proc/1/comm\nenv > /tmp/env\ntr '\\0' '\\n' < /proc/1/environ > /tmp/proxy\n\
                  echo \"{\\\"proxy\\\": \\\"$name\\\", \\\"environment\\\": $(wc -l < /tmp/proxy)}\"\n";
    tenant.create("a", &action::native(script));
    let result = tenant.call_for_result("a", &json!({})).expect(200).json();
    assert_eq!(result, json!({"proxy": "oxwhisk-runtime", "environment": 0}));
}
