//! Invokers that end, well or not, and their containers.

use std::sync::Mutex;

use nix::sys::signal::Signal;
use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::docker::{Docker, invoker_of};
use oxwhisk_e2e::{Tenant, action, shared, wait};
use serde_json::{Value, json};

use super::container_of;

/// One invoker at a time, or the others have too much to do.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Says in which container it has begun, and goes on for a while.
const SLOW: &str = "function main(args) { console.log('begun by ' + process.env.__OW_ACTIVATION_ID); \
                    return new Promise(done => setTimeout(() => done({slept: args.ms}), args.ms)) }";

/// A container that is at work: its id, its invoker, and the activation.
struct AtWork {
    container: String,
    invoker: String,
    activation: String,
}

/// Sends an invocation, and waits until a container has begun with it.
#[track_caller]
fn at_work(docker: &Docker, tenant: &Tenant) -> AtWork {
    tenant.create("slow", &action::nodejs(SLOW));
    let activation = tenant.fire("slow", &json!({"ms": 6_000}));
    let begun = format!("begun by {activation}");
    wait::until("the action has begun", || {
        let all =
            ["invoker0", "invoker1", "invoker2"].map(|invoker| (invoker, docker.containers_of(invoker)));
        let mut each = all.iter().flat_map(|(invoker, ids)| ids.iter().map(move |id| (*invoker, id)));
        let found =
            each.find(|(_, id)| docker.try_run(&["logs", id]).is_ok_and(|text| text.contains(&begun)));
        let found = found.ok_or_else(|| format!("in none of {all:?}"))?;
        Ok(AtWork { container: found.1.clone(), invoker: found.0.to_owned(), activation: activation.clone() })
    })
}

#[track_caller]
fn check_success(record: &Value) {
    assert_eq!(record["response"]["result"], json!({"slept": 6_000}), "{record}");
}

#[test]
fn what_a_killed_invoker_left_is_removed_by_its_next_start() {
    let test = "what_a_killed_invoker_left_is_removed_by_its_next_start";
    let (Some(docker), Some(cluster)) = (Docker::of_cluster(test), Cluster::to_hurt(test)) else { return };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    cluster.wait_until_whole();
    let tenant = shared::tenant();
    let AtWork { container, invoker, activation } = at_work(&docker, &tenant);
    cluster.kill(&invoker);
    let left = docker.containers_of(&invoker);
    assert!(left.contains(&container), "{container} has ended with {invoker}: {left:?}");
    cluster.start(&invoker);
    wait::until("what it left is removed", || {
        let still: Vec<_> =
            docker.containers_of(&invoker).into_iter().filter(|id| left.contains(id)).collect();
        if still.is_empty() { Ok(()) } else { Err(format!("{still:?}")) }
    });
    // Sent again, to whichever invoker.
    check_success(&tenant.record(&activation));
    cluster.wait_until_whole();
    container_of(&docker, &shared::tenant(), "after");
}

#[test]
fn an_invoker_that_is_stopped_finishes_its_work_and_leaves_nothing() {
    let test = "an_invoker_that_is_stopped_finishes_its_work_and_leaves_nothing";
    let (Some(docker), Some(cluster)) = (Docker::of_cluster(test), Cluster::to_hurt(test)) else { return };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    cluster.wait_until_whole();
    let tenant = shared::tenant();
    let AtWork { container, invoker, activation } = at_work(&docker, &tenant);
    let began = docker.inspect(&container).expect("it is at work");
    assert_eq!(invoker_of(&began), invoker);
    cluster.signal(&invoker, Signal::SIGTERM);
    wait::until("it has ended", || if cluster.runs(&invoker) { Err("it runs".to_owned()) } else { Ok(()) });
    assert_eq!(docker.containers_of(&invoker), Vec::<String>::new());
    check_success(&tenant.record(&activation));
    cluster.start(&invoker);
    cluster.wait_until_whole();
}
