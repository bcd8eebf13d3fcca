//! Which records are kept, beside what a namespace says (line 170).

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::users::Roster;
use oxwhisk_e2e::{ServerOptions, Tenant, action, shared, wait};
use serde_json::{Value, json};

/// Succeeds, fails by its own answer, or fails to answer.
const ENDS: &str = "
function main(args) {
    if (args.end === 'die') process.exit(1);
    return args.end === 'error' ? {error: 'no'} : {ok: true};
}";

fn options(level: &str, value: &str) -> ServerOptions {
    ServerOptions::new(Roster::generate(1)).env(&format!("CONFIG_whisk_activation_{level}"), value)
}

fn ends(end: &str) -> Value {
    json!({"end": end})
}

/// Ids of one blocking activation for each end, and whether each is stored. The last activation is stored for certain:
/// when its record is there, those before it have been written if they ever are.
#[track_caller]
fn stored_blocking(tenant: &Tenant) -> [bool; 3] {
    let ids = ["well", "error", "die"].map(|end| activation_id(&tenant.call("a", &ends(end))));
    let marker = tenant.request("POST", "actions/a?blocking=true").header("X-OW-EXTRA-LOGGING", "on");
    tenant.record(&activation_id(&marker.json(&ends("well")).send().expect(200)));
    ids.map(|id| tenant.get(&format!("activations/{id}")).status == 200)
}

#[test]
fn blocking_activations_are_stored_by_their_level() {
    for (level, stored) in [
        ("STORE_ALWAYS", [true, true, true]),
        ("STORE_FAILURES", [false, true, true]),
        ("STORE_FAILURES_NOT_APPLICATION_ERRORS", [false, false, true]),
    ] {
        let options = options("storeBlockingResultLevel", level);
        let Some(server) = shared::own_server("store_blocking", &options) else { return };
        let tenant = server.tenant(0);
        tenant.create("a", &action::nodejs(ENDS));
        assert_eq!(stored_blocking(&tenant), stored, "{level}");
        // The other level is as it was.
        assert_eq!(tenant.record(&tenant.fire("a", &ends("well")))["response"]["status"], "success");
    }
}

#[test]
fn a_queued_activation_that_is_not_stored_is_done_all_the_same() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = options("storeNonBlockingResultLevel", "STORE_FAILURES")
        .env("CONFIG_whisk_activation_unstoredLogsEnabled", "true")
        .env("LIMITS_ACTIONS_INVOKES_CONCURRENT", "1")
        .data_dir(data.path());
    let Some(server) = shared::own_server("store_non_blocking", &options) else { return };
    let tenant = server.tenant(0);
    tenant.create("a", &action::nodejs(ENDS));
    let unstored = tenant.fire("a", &ends("well"));
    wait::until("the line that stands for the record", || {
        let log = server.logs().stderr();
        let told = log.lines().filter(|line| line.contains("not stored") && line.contains(&unstored)).count();
        if told == 1 { Ok(()) } else { Err(format!("{told} lines")) }
    });
    // One at a time may run: this is taken only when the first has given its place back.
    let failed = wait::until("room for another activation", || {
        let response = tenant.post("actions/a", &ends("error"));
        if response.status == 202 { Ok(activation_id(&response)) } else { Err(format!("{response:?}")) }
    });
    assert_eq!(tenant.record(&failed)["response"]["status"], "application error");
    tenant.get(&format!("activations/{unstored}")).expect(404);
    drop(server);

    // Nothing is left to be run again.
    let Some(server) = shared::own_server("store_non_blocking", &options) else { return };
    let tenant = server.tenant(0);
    let marker = tenant.fire("a", &ends("error"));
    tenant.record(&marker);
    let log = server.logs().stderr();
    assert!(!log.contains(&unstored), "{log}");
}

#[test]
fn disabling_results_spares_what_was_answered() {
    let options = options("disableStoreResult", "true");
    let Some(server) = shared::own_server("disable_store_result", &options) else { return };
    let tenant = server.tenant(0);
    tenant.create("a", &action::nodejs(ENDS));
    assert_eq!(stored_blocking(&tenant), [false, true, true]);
}
