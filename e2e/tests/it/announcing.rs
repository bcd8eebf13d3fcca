//! An action that says when it runs, for tests that must act exactly then.

use oxwhisk_e2e::{Tenant, action, wait};
use serde_json::json;

/// Says that it runs by creating the action `running` through the API, then takes its time.
const CODE: &str = "
function main(args) {
    const url = process.env.__OW_API_HOST + '/api/v1/namespaces/_/actions/running';
    const key = 'Basic ' + Buffer.from(process.env.__OW_API_KEY).toString('base64');
    const body = JSON.stringify({exec: {kind: 'nodejs:default', code: 'function main() {}'}});
    const headers = {authorization: key, 'content-type': 'application/json'};
    const attempt = process.env.__OW_ATTEMPT;
    if (args.once && attempt !== '1') return {attempt};
    return fetch(url, {method: 'PUT', headers, body})
        .then(r => new Promise(done => setTimeout(() => done({status: r.status}), args.ms)));
}";

/// Creates the action; it answers `{"status": 200}` after `ms` milliseconds, or, with `once`, at once with the number of
/// the attempt if that is not the first.
#[track_caller]
pub(crate) fn create(tenant: &Tenant, name: &str) {
    create_with(tenant, name, "at-least-once");
}

/// [`create`] with a `delivery`.
#[track_caller]
pub(crate) fn create_with(tenant: &Tenant, name: &str, delivery: &str) {
    let annotations =
        json!([{"key": "provide-api-key", "value": true}, {"key": "delivery", "value": delivery}]);
    tenant.create(name, &action::with(action::nodejs(CODE), "annotations", annotations));
}

/// Waits until an invocation of the action runs.
#[track_caller]
pub(crate) fn await_running(tenant: &Tenant) {
    wait::until("the action to say that it runs", || {
        let response = tenant.get("actions/running");
        if response.status == 200 { Ok(()) } else { Err(format!("{response:?}")) }
    });
}
