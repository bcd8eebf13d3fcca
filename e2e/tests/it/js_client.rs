//! The official JavaScript client against the server. The checks are in `js-client/*.js`.

use oxwhisk_e2e::{js_client, report, shared};

#[track_caller]
fn run(script: &str) {
    match js_client::run(script, &shared::tenant()) {
        Err(why) => report::skipped(script, &why),
        Ok(finished) => assert!(finished.status.success(), "{script} failed: {finished:?}"),
    }
}

#[test]
fn js_client_actions() {
    run("actions.js");
}

#[test]
fn js_client_activations() {
    run("activations.js");
}

#[test]
fn js_client_forms() {
    run("forms.js");
}
