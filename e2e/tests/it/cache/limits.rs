//! What an action is told that has no cache, or not as much as it would like.

use std::sync::OnceLock;

use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{Server, ServerOptions, Tenant, action, shared, wait};
use serde_json::{Value, json};

use super::{HELPER_JS, HELPER_PY, RAW, helped, is_there, python, run, said, tenant, with_cache};

/// Of an activation that runs without the cache.
#[track_caller]
fn runs_without(tenant: &Tenant, name: &str, reason: &str) {
    let response =
        tenant.call(name, &json!({"calls": [["get", "k"], ["increment", "n"]]})).expect(200).json();
    let text = format!("CacheUnavailable: the cache is not available: {reason}");
    assert_eq!(response["response"]["result"], json!({"replies": [text, text]}));
    let record = tenant.record(response["activationId"].as_str().expect("an id"));
    assert_eq!(action::annotation(&record, "cacheError"), Some(&json!(reason)), "{record}");
}

#[test]
fn without_a_cache_actions_run_unless_they_require_it() {
    let mut options = ServerOptions::default();
    // A deployment of a test's own has no cache anyway.
    if !shared::is_remote() {
        options = options.env("CONFIG_oxwhisk_cache_enabled", "false");
    }
    let Some(server) = shared::own_server("without_a_cache_actions_run_unless_they_require_it", &options)
    else {
        return;
    };
    let tenant = server.tenant(0);
    for (name, body) in [("nodejs", action::nodejs(HELPER_JS)), ("python", action::python(HELPER_PY))] {
        tenant.create(name, &with_cache(body.clone(), json!(true)));
        runs_without(&tenant, name, "this platform has no cache");
        let name = format!("{name}-requires");
        tenant.create(&name, &with_cache(body, json!({"required": true})));
        let record = tenant.call(&name, &json!({"calls": []})).expect(500).json();
        assert_eq!(record["response"]["status"], "whisk internal error", "{record}");
        let text = "The action requires the cache: this platform has no cache";
        assert_eq!(record["response"]["result"], json!({"error": text}));
    }
}

#[test]
fn an_annotation_that_cannot_be_understood_hinders_nothing() {
    let Some(tenant) = tenant("an_annotation_that_cannot_be_understood_hinders_nothing") else { return };
    for (name, annotation, reason) in [
        (
            "text",
            json!("all"),
            r#"the annotation 'cache' is "all", which is no scope: 'action', 'package' or 'namespace'"#,
        ),
        ("member", json!({"ttl": 5}), "the annotation 'cache' has the unknown member 'ttl'"),
        ("number", json!(7), "the annotation 'cache' is 7, neither true, false, a scope nor an object"),
    ] {
        tenant.create(name, &with_cache(action::nodejs(HELPER_JS), annotation));
        runs_without(&tenant, name, reason);
    }
    let required = json!({"scope": "all", "required": true});
    tenant.create("required", &with_cache(action::nodejs(HELPER_JS), required));
    let record = tenant.call("required", &json!({"calls": []})).expect(500).json();
    let error = record["response"]["result"]["error"].as_str().expect("a text");
    let text = r#"The action requires the cache: the annotation 'cache' has scope "all": it is "#;
    assert!(error.starts_with(text), "{error}");
}

/// The server whose namespaces' limits these tests change, each those of another namespace. `None`, and a line that says so,
/// where there is none.
#[track_caller]
fn server(test: &str) -> Option<&'static Server> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    if !is_there(test) || !shared::is_standalone(test, "a deployment of a test's own has no cache") {
        return None;
    }
    Some(SERVER.get_or_init(|| Server::start(&ServerOptions::default())))
}

#[track_caller]
fn limit(server: &Server, tenant: &Tenant, words: &[&str]) {
    Wskadmin::of(server).output(&[&["limits", "set", tenant.namespace()], words].concat());
}

#[test]
fn a_namespace_may_give_its_actions_a_cache_unasked() {
    let Some(server) = server("a_namespace_may_give_its_actions_a_cache_unasked") else { return };
    let tenant = server.tenant(0);
    for name in ["a", "b"] {
        tenant.create(name, &action::nodejs(HELPER_JS));
    }
    let none = json!(["CacheUnavailable: this action has no cache: give it the annotation cache=true"]);
    assert_eq!(helped(&tenant, "a", &json!([["get", "k"]])), none);
    limit(server, &tenant, &["--cacheDefault", "true"]);
    assert_eq!(helped(&tenant, "a", &json!([["set", "k", "v"], ["get", "k"]])), json!([null, "v"]));
    assert_eq!(helped(&tenant, "b", &json!([["get", "k"]])), json!([null]));
    limit(server, &tenant, &["--cacheDefault", "namespace"]);
    assert_eq!(helped(&tenant, "a", &json!([["set", "k", "w"]])), json!([null]));
    assert_eq!(helped(&tenant, "b", &json!([["get", "k"]])), json!(["w"]));
}

#[test]
fn more_commands_a_second_than_allowed() {
    let Some(server) = server("more_commands_a_second_than_allowed") else { return };
    let tenant = server.tenant(1);
    limit(server, &tenant, &["--cacheOperationsPerSecond", "5"]);
    let calls: Vec<Value> = (0..100).map(|_| json!(["get", "k"])).collect();
    for (name, body) in [("nodejs", action::nodejs(HELPER_JS)), ("python", action::python(HELPER_PY))] {
        tenant.create(name, &with_cache(body, json!(true)));
        let replies = helped(&tenant, name, &json!(calls));
        let replies = replies.as_array().expect("a list");
        let (served, refused): (Vec<&Value>, Vec<&Value>) = replies.iter().partition(|reply| reply.is_null());
        assert!(!served.is_empty() && !refused.is_empty(), "{replies:?}");
        let text = "CacheFull: ERR quota exceeded: 5 commands a second";
        assert!(refused.iter().all(|reply| **reply == text), "{refused:?}");
    }
}

#[test]
fn who_has_more_than_allowed_loses_its_oldest_keys() {
    let Some(server) = server("who_has_more_than_allowed_loses_its_oldest_keys") else { return };
    let tenant = server.special(Special::Busy);
    tenant.create("a", &python(RAW, json!(true)));
    limit(server, &tenant, &["--cacheBytes", "1 MB", "--cacheValueBytes", "200 KB"]);
    let value = "x".repeat(100 << 10);
    let writes: Vec<Value> = (0..40).map(|n| json!(["SET", format!("k{n}"), value])).collect();
    for some in writes.chunks(8) {
        // Writing goes on all the time.
        assert_eq!(said(&tenant, "a", &json!(some)), json!(vec!["OK"; 8]));
    }
    wait::until("the oldest keys to go", || {
        let keys = said(&tenant, "a", &json!([["DBSIZE"]]))[0].as_i64().expect("a number");
        if (1..=10).contains(&keys) { Ok(()) } else { Err(format!("{keys} keys")) }
    });
    let large = said(&tenant, "a", &json!([["SET", "k", "x".repeat(201 << 10)]]));
    let text = "-ERR quota exceeded: a value of 205824 bytes, and 204800 are allowed";
    assert_eq!(large, json!([text]));
}

#[test]
fn more_connections_than_allowed() {
    let Some(server) = server("more_connections_than_allowed") else { return };
    let tenant = server.tenant(2);
    tenant.create("a", &python(RAW, json!(true)));
    limit(server, &tenant, &["--cacheConnections", "1"]);
    assert_eq!(run(&tenant, "a", &json!({"keep": "one"}))["login"], "OK");
    assert_eq!(run(&tenant, "a", &json!({}))["login"], "-ERR quota exceeded: 1 connections");
    assert_eq!(run(&tenant, "a", &json!({"use": "one", "commands": [["PING"]]}))["replies"], json!(["PONG"]));
}
