//! The cache of actions, by what actions and those who would break it can do.
//!
//! Packages, and with them bindings and code of others, sequences, triggers, rules and web actions do not exist yet.

mod attack_flood;
mod attack_network;
mod attack_protocol;
mod attack_secrets;
mod attack_tokens;
mod clients;
mod limits;
mod losses;
mod scopes;

use std::sync::OnceLock;

use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{Tenant, action, report, shared};
use serde_json::{Value, json};

/// [`action::python`] code that has a small client of its own.
const RESP: &str = include_str!("cache/actions/resp.py");
const RAW: &str = include_str!("cache/actions/raw.py");
const HOLD: &str = include_str!("cache/actions/hold.py");
const HELPER_JS: &str = include_str!("cache/actions/helper.js");
const HELPER_PY: &str = include_str!("cache/actions/helper.py");

/// A body with the annotation `cache`.
fn with_cache(body: Value, annotation: Value) -> Value {
    action::with(body, "annotations", json!([{"key": "cache", "value": annotation}]))
}

/// A Python action that begins with the small client.
fn python(code: &str, annotation: Value) -> Value {
    with_cache(action::python(&format!("{RESP}\n{code}")), annotation)
}

/// Why there is no cache where these tests run; asked once, of an action.
fn missing() -> &'static Option<String> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    MISSING.get_or_init(|| {
        let tenant = shared::tenant();
        tenant.create("probe", &with_cache(action::nodejs(action::ENVIRONMENT), json!(true)));
        let found = tenant.call_for_result("probe", &json!({})).expect(200).json();
        let error = found["__OW_CACHE_ERROR"].as_str().map(str::to_owned);
        let is_none = error.as_deref() == Some("this platform has no cache");
        assert!(is_none || found["__OW_CACHE_TOKEN"].is_string(), "neither a cache nor none: {found}");
        error
    })
}

/// Whether there is a cache; says so when there is none.
#[track_caller]
fn is_there(test: &str) -> bool {
    if let Some(why) = missing() {
        report::skipped(test, &format!("{why} (is redis-server installed?)"));
    }
    missing().is_none()
}

/// An empty namespace with a cache. `None`, and a line that says so, where there is no cache.
#[track_caller]
fn tenant(test: &str) -> Option<Tenant> {
    is_there(test).then(shared::tenant)
}

/// Two of them.
#[track_caller]
fn tenants(test: &str) -> Option<(Tenant, Tenant)> {
    is_there(test).then(|| (shared::tenant(), shared::tenant()))
}

/// The namespace that may invoke as often as it likes. Actions there are named after their test.
#[track_caller]
fn busy(test: &str) -> Option<Tenant> {
    is_there(test).then(|| shared::special(Special::Busy))
}

/// The result of an action that succeeds.
#[track_caller]
fn run(tenant: &Tenant, name: &str, payload: &Value) -> Value {
    tenant.call_for_result(name, payload).expect(200).json()
}

/// What an action made of [`HELPER_JS`] or [`HELPER_PY`] is told by the cache.
#[track_caller]
fn helped(tenant: &Tenant, name: &str, calls: &Value) -> Value {
    run(tenant, name, &json!({"calls": calls}))["replies"].take()
}

/// What an action made of [`RAW`] is told by the cache.
#[track_caller]
fn said(tenant: &Tenant, name: &str, commands: &Value) -> Value {
    let mut result = run(tenant, name, &json!({"commands": commands}));
    assert_eq!(result["login"], "OK", "{result}");
    result["replies"].take()
}

#[test]
fn there_is_a_cache_where_redis_server_is_installed() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).any(|dir| dir.join("redis-server").is_file());
    if !nix::unistd::Uid::effective().is_root() || !installed || shared::is_remote() {
        report::skipped(
            "there_is_a_cache",
            "only root with redis-server is promised one, by the standalone server",
        );
        return;
    }
    assert_eq!(*missing(), None);
}
