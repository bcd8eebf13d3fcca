//! Limits of a namespace whose requests meet several controllers: the edge would send them all to one.

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{Api, Response, Tenant, action, shared, wait};
use serde_json::json;

const LIMIT: usize = 6;
/// Longer than it takes to be refused a few times.
const RUN_MS: u64 = 30_000;

/// The same namespace at each controller.
fn at_each(cluster: &Cluster, tenant: &Tenant) -> Vec<Tenant> {
    let of = |part: &String| {
        let api = Api::from_url(&format!("http://127.0.0.1:{}", cluster.port(part))).expect("a url");
        Tenant::new(api, tenant.user().clone(), None)
    };
    cluster.of_role("controller").iter().map(of).collect()
}

#[test]
fn what_is_accepted_counts_to_its_end_in_whichever_lane_it_waits() {
    let Some(cluster) = Cluster::to_watch("what_is_accepted_counts_to_its_end_in_whichever_lane_it_waits")
    else {
        return;
    };
    let tenant = shared::tenant();
    tenant.create("held", &action::nodejs(action::SLEEP));
    let limit = LIMIT.to_string();
    let set = ["limits", "set", tenant.namespace(), "--concurrentInvocations", &limit];
    cluster.admin("controller0", &set).expect("limits are set");
    let doors = at_each(&cluster, &tenant);
    for door in &doors {
        wait::until("the limit", || {
            let limits = door.get("limits").json();
            (limits["concurrentInvocations"] == LIMIT).then_some(()).ok_or_else(|| limits.to_string())
        });
    }
    let fire = |n: usize| doors[n % doors.len()].post("actions/held", &json!({"ms": RUN_MS}));
    let refusal = format!("Too many concurrent requests in flight (count: {LIMIT}, allowed: {LIMIT}).");
    // An end counts when whoever accepted it has heard of that.
    let accept = |n| wait::until("room", || only(202, fire(n)));
    let accepted: Vec<_> = (0..LIMIT).map(accept).collect();
    for n in 0..2 * LIMIT {
        fire(n).expect_error(429, &refusal);
    }
    for answer in &accepted {
        tenant.record(&activation_id(answer));
    }
    doors.iter().enumerate().for_each(|(n, _)| drop(accept(n)));
}

fn only(status: u16, answer: Response) -> Result<Response, String> {
    if answer.status == status { Ok(answer) } else { Err(format!("{answer:?}")) }
}
