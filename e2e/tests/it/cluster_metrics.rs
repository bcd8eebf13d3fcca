//! `/metrics` of the real binaries: as scrapers read it, as it is documented, and with numbers that go up by what was done.

mod page;

use std::collections::BTreeSet;

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::{action, shared, wait};
use serde_json::json;

use page::Page;

const DOCUMENTED: &str = include_str!("../../../docs/operations.md");

/// The metrics of a controller or an invoker as the documentation has them.
fn documented(role: &str) -> BTreeSet<String> {
    let section =
        DOCUMENTED.split("\n## ").find(|section| section.starts_with("Metrics\n")).expect("a section");
    let (table, by_action) = section.split_once("**By action**").expect("both kinds");
    let of_role = table.lines().filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, names, _, whose, ..] = cells[..] else { return None };
        (whose == role || whose == "both").then(|| quoted(names))
    });
    let by_action = quoted(by_action).filter(|name| name.starts_with("openwhisk_"));
    // Counters are called with their suffix there, as dashboards call them.
    let by_action = by_action.map(|name| name.trim_end_matches("_total"));
    of_role.flatten().chain(by_action).map(str::to_owned).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[track_caller]
fn scrape(cluster: &Cluster, part: &str) -> Page {
    let answer = cluster.ops(part).get("/metrics").send().expect(200);
    answer.expect_header("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8");
    Page::parse(&answer.text())
}

/// A sum over all processes of a role.
#[track_caller]
fn sum(cluster: &Cluster, role: &str, series: &str, labels: &[(&str, &str)]) -> f64 {
    cluster.of_role(role).iter().map(|part| scrape(cluster, part).sum(series, labels)).sum()
}

#[test]
fn pages_hold_what_is_documented_and_nothing_else() {
    let Some(cluster) = Cluster::to_watch("pages_hold_what_is_documented_and_nothing_else") else { return };
    for role in ["controller", "invoker"] {
        let documented = documented(role);
        assert!(documented.len() > 20, "{documented:?}");
        for part in cluster.of_role(role) {
            assert_eq!(scrape(&cluster, &part).families(), documented, "{part}");
        }
    }
}

#[test]
fn numbers_go_up_by_what_was_invoked() {
    let Some(cluster) = Cluster::to_watch("numbers_go_up_by_what_was_invoked") else { return };
    // Other tests invoke at the same time, but not this action.
    let tenant = shared::tenant();
    tenant
        .create("counted", &action::nodejs("function main(args) { return args.fail ? {error: 'no'} : {} }"));
    let own = [("namespace", tenant.namespace()), ("initiator", tenant.namespace()), ("action", "counted")];
    let of = |more: (&'static str, &'static str)| [&own[..], &[more]].concat();
    let admitted =
        |kind: &str| sum(&cluster, "controller", "oxwhisk_controller_activations_total", &[("kind", kind)]);
    let started = || sum(&cluster, "invoker", "oxwhisk_invoker_container_starts_total", &[]);
    let ran = || sum(&cluster, "invoker", "oxwhisk_invoker_run_seconds_count", &[]);
    let published = || sum(&cluster, "invoker", "oxwhisk_user_events_published_total", &[]);
    let answered = || {
        sum(
            &cluster,
            "controller",
            "oxwhisk_controller_requests_total",
            &[("method", "POST"), ("status", "202")],
        )
    };
    let before = [admitted("blocking"), admitted("nonblocking"), started(), ran(), published(), answered()];
    for _ in 0..3 {
        tenant.call("counted", &json!({})).expect(200);
    }
    tenant.call("counted", &json!({"fail": true})).expect(502);
    let queued = [tenant.fire("counted", &json!({})), tenant.fire("counted", &json!({}))];
    queued.iter().for_each(|id| drop(tenant.record(id)));
    let count = |series: &str, labels: &[(&str, &str)]| sum(&cluster, "invoker", series, labels);
    // Told behind the answer.
    wait::until("six activations are counted", || {
        let counted = count("openwhisk_action_activations_total", &own);
        if counted < 6.0 { Err(format!("{counted}")) } else { Ok(()) }
    });
    let kind = tenant.default_kind("nodejs");
    let all = own.iter().copied().chain([("kind", kind.as_str()), ("memory", "256")]).collect::<Vec<_>>();
    assert_eq!(count("openwhisk_action_activations_total", &all), 6.0);
    assert_eq!(count("openwhisk_action_status", &of(("status", "success"))), 5.0);
    assert_eq!(count("openwhisk_action_status", &of(("status", "application_error"))), 1.0);
    for histogram in ["waitTime_seconds", "duration_seconds", "response_size_bytes"] {
        assert_eq!(count(&format!("openwhisk_action_{histogram}_count"), &own), 6.0, "{histogram}");
    }
    let cold = count("openwhisk_action_coldStarts_total", &own);
    assert!((1.0..=6.0).contains(&cold), "{cold}");
    assert_eq!(count("openwhisk_action_initTime_seconds_count", &own), cold);
    wait::until("the others count them, too", || {
        let now = [admitted("blocking"), admitted("nonblocking"), started(), ran(), published(), answered()];
        let more: Vec<f64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
        let enough = more.iter().zip([4.0, 2.0, 6.0, 6.0, 6.0, 2.0]).all(|(more, least)| *more >= least);
        if enough { Ok(()) } else { Err(format!("{more:?}")) }
    });
}

#[test]
fn a_limit_that_was_run_into_is_counted() {
    let Some(cluster) = Cluster::to_watch("a_limit_that_was_run_into_is_counted") else { return };
    let tenant = shared::tenant();
    let refused = || tenant.post("actions/none", &json!({})).status == 429;
    assert!((0..600).any(|_| refused()), "no limit in 600 requests");
    wait::until("it is counted for its namespace", || {
        let own = [("namespace", tenant.namespace())];
        let timed = sum(&cluster, "controller", "openwhisk_action_limit_timed_total", &own);
        if timed == 1.0 { Ok(()) } else { Err(format!("{timed}")) }
    });
    let all = sum(&cluster, "controller", "oxwhisk_controller_throttled_total", &[("limit", "timed")]);
    assert!(all >= 1.0, "{all}");
}
