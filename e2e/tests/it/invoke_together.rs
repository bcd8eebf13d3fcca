//! Several callers at once, and callers who do not wait for their answer.

use std::thread;

use oxwhisk_e2e::{Tenant, action, shared, wait};
use serde_json::{Value, json};

use crate::announcing;

#[test]
fn concurrent_callers_get_their_own_results() {
    const CALLERS: usize = 6;
    const CALLS: usize = 8;
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let tenant = &tenant;
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                for call in 0..CALLS {
                    let payload = json!({"caller": caller, "call": call});
                    assert_eq!(tenant.call_for_result("a", &payload).expect(200).json(), payload);
                }
            });
        }
    });
}

#[track_caller]
fn records_of(tenant: &Tenant, name: &str) -> Vec<Value> {
    tenant.get(&format!("activations?docs=true&name={name}")).expect(200).array()
}

#[test]
fn a_caller_who_hangs_up_does_not_cancel_the_invocation() {
    let tenant = shared::tenant();
    announcing::create(&tenant, "a");
    let request = tenant.request("POST", "actions/a?blocking=true&result=true").json(&json!({"ms": 300}));
    let connection = request.send_only().expect("the request is sent");
    announcing::await_running(&tenant);
    drop(connection);
    let record = wait::until("the record of the invocation", || {
        records_of(&tenant, "a").pop().ok_or_else(|| "no record yet".to_owned())
    });
    assert_eq!(record["response"]["result"], json!({"status": 200}));
}

#[test]
fn a_namespace_s_containers_are_not_shared_with_another() {
    // Both actions have the same name and code; each remembers what its own container saw before.
    let code = "const seen = [];\nfunction main(a) { seen.push(a.who); return {seen} }";
    let (first, second) = (shared::tenant(), shared::tenant());
    for tenant in [&first, &second] {
        tenant.create("same", &action::nodejs(code));
    }
    for _ in 0..2 {
        for (tenant, who) in [(&first, "first"), (&second, "second")] {
            let result = tenant.call_for_result("same", &json!({"who": who})).expect(200).json();
            let seen = result["seen"].as_array().expect("a list").clone();
            assert!(!seen.is_empty() && seen.iter().all(|saw| saw == who), "{who} saw {seen:?}");
        }
    }
}
