//! Whose keys an action sees, and what it may do with them.

use oxwhisk_e2e::{Tenant, action, shared};
use serde_json::{Value, json};

use super::{HELPER_JS, RAW, helped, python, said, tenant, tenants, with_cache};

#[track_caller]
fn create(tenant: &Tenant, name: &str, annotation: Value) {
    tenant.create(name, &python(RAW, annotation));
}

#[track_caller]
fn one(tenant: &Tenant, name: &str, words: &[&str]) -> Value {
    said(tenant, name, &json!([words]))[0].take()
}

/// A scope as it stands in annotations. Several invokers have a cache each, but for the one that all share.
fn scope(name: &str) -> Value {
    if shared::is_remote() { json!({"scope": name, "tier": "global"}) } else { json!(name) }
}

#[test]
fn an_action_shares_what_its_scope_says() {
    let Some(tenant) = tenant("an_action_shares_what_its_scope_says") else { return };
    for (name, annotation) in [
        ("action", json!(true)),
        ("action2", scope("action")),
        ("action3", json!({"scope": "action"})),
        ("package", scope("package")),
        ("package2", json!({"scope": "package", "tier": "global"})),
        ("namespace", scope("namespace")),
        ("namespace2", json!({"scope": "namespace", "rights": "write", "tier": "global"})),
    ] {
        create(&tenant, name, annotation);
        // Later ones must not see what earlier ones of another scope have set.
        let before = one(&tenant, name, &["GET", "k"]);
        let shared = name.ends_with('2') && !name.starts_with("action");
        assert_eq!(before, if shared { json!(name.trim_end_matches('2')) } else { json!(null) }, "{name}");
        if !shared {
            assert_eq!(one(&tenant, name, &["SET", "k", name]), "OK");
        }
    }
    for name in ["action", "action2", "action3", "package", "namespace"] {
        assert_eq!(said(&tenant, name, &json!([["GET", "k"], ["DBSIZE"]])), json!([name, 1]), "{name}");
    }
    // A scope that is flushed is empty, and the others are as they were.
    assert_eq!(said(&tenant, "package2", &json!([["FLUSHDB"], ["DBSIZE"]])), json!(["OK", 0]));
    assert_eq!(one(&tenant, "package", &["GET", "k"]), json!(null));
    for name in ["action", "namespace"] {
        assert_eq!(one(&tenant, name, &["GET", "k"]), name);
    }
}

#[test]
fn namespaces_see_nothing_of_each_other() {
    let Some((first, second)) = tenants("namespaces_see_nothing_of_each_other") else { return };
    for scope in ["action", "package", "namespace"] {
        for (tenant, value) in [(&first, "first"), (&second, "second")] {
            create(tenant, scope, json!(scope));
            assert_eq!(said(tenant, scope, &json!([["GET", "k"], ["SET", "k", value]])), json!([null, "OK"]));
        }
        assert_eq!(one(&first, scope, &["GET", "k"]), "first");
        assert_eq!(one(&second, scope, &["FLUSHALL"]), "OK");
        assert_eq!(one(&first, scope, &["GET", "k"]), "first");
    }
}

#[test]
fn who_may_read_cannot_write() {
    let Some(tenant) = tenant("who_may_read_cannot_write") else { return };
    create(&tenant, "writer", json!({"scope": "namespace", "tier": "global"}));
    create(&tenant, "reader", json!({"scope": "namespace", "tier": "global", "rights": "read"}));
    assert_eq!(one(&tenant, "writer", &["SET", "k", "v"]), "OK");
    assert_eq!(one(&tenant, "reader", &["GET", "k"]), "v");
    let text = "-NOPERM this action may read the cache, and not write it";
    for words in [
        &["SET", "k", "w"][..],
        &["DEL", "k"],
        &["EXPIRE", "k", "1"],
        &["GETDEL", "k"],
        &["GETEX", "k", "EX", "1"],
        &["FLUSHDB"],
        &["SORT", "l", "STORE", "k"],
        &["INCR", "n"],
        &["PUBLISH", "c", "m"],
    ] {
        assert_eq!(one(&tenant, "reader", words), text, "{words:?}");
    }
    let queued = said(&tenant, "reader", &json!([["MULTI"], ["SET", "k", "w"], ["EXEC"]]));
    assert_eq!(queued[1], text, "{queued}");
    assert!(queued[2].as_str().is_some_and(|reply| reply.starts_with("-EXECABORT")), "{queued}");
    assert_eq!(said(&tenant, "writer", &json!([["GET", "k"], ["DBSIZE"]])), json!(["v", 1]));
    tenant.create(
        "helper",
        &with_cache(
            action::nodejs(HELPER_JS),
            json!({"scope": "namespace", "tier": "global", "rights": "read"}),
        ),
    );
    let refused = helped(&tenant, "helper", &json!([["set", "k", "w"]]));
    assert_eq!(refused, json!([format!("CacheRefused: {}", &text[1..])]));
}

#[test]
fn another_version_of_an_action_finds_its_keys() {
    let Some(tenant) = tenant("another_version_of_an_action_finds_its_keys") else { return };
    create(&tenant, "a", json!(true));
    assert_eq!(one(&tenant, "a", &["SET", "k", "v"]), "OK");
    tenant.update("a", &python(&format!("# Another one.\n{RAW}"), json!(true)));
    assert_eq!(one(&tenant, "a", &["GET", "k"]), "v");
}
