//! Creating, updating, copying, reading and listing actions.

use oxwhisk_e2e::{Tenant, action, shared};
use serde_json::{Value, json};

use super::{as_cli, exit_code, shapes};
use crate::archive::zip_code;

/// `wsk action create` or, with `overwrite`, the second request of `wsk action update`.
#[track_caller]
fn put(tenant: &Tenant, name: &str, overwrite: bool, mut body: Value) -> Value {
    body["namespace"] = json!("_");
    body["name"] = json!(name);
    let target = format!("actions/{name}?overwrite={overwrite}");
    shapes::action(as_cli(tenant, "PUT", &target, Some(&body)).send().expect(200).json())
}

#[track_caller]
fn get(tenant: &Tenant, name: &str, code: bool) -> Value {
    let target = format!("actions/{name}?code={code}");
    shapes::action(as_cli(tenant, "GET", &target, None).send().expect(200).json())
}

#[test]
fn action_create_update_get_delete() {
    let tenant = shared::tenant();
    let created = put(&tenant, "hello", false, action::nodejs(action::ECHO));
    assert_eq!((&created["name"], &created["version"]), (&json!("hello"), &json!("0.0.1")));
    assert_eq!(created["namespace"], tenant.namespace());
    // An update reads the action first, which may be missing.
    as_cli(&tenant, "GET", "actions/new?code=false", None).send().expect(404).error_message(404);
    assert_eq!(get(&tenant, "hello", false)["exec"].get("code"), None);
    let updated = put(&tenant, "hello", true, action::nodejs(action::ECHO));
    assert_eq!(updated["version"], "0.0.2");
    // `--save` writes what this answers, by kind and binary.
    let saved = get(&tenant, "hello", true);
    assert_eq!((&saved["exec"]["binary"], &saved["exec"]["code"]), (&json!(false), &json!(action::ECHO)));
    assert!(saved["exec"]["kind"].as_str().is_some_and(|kind| kind.starts_with("nodejs:")), "{saved}");
    shapes::action(as_cli(&tenant, "DELETE", "actions/hello", None).send().expect(200).json());
}

/// What `--save` finds for each form of code that `wsk action create` sends.
#[test]
fn every_form_of_code_can_be_saved() {
    let tenant = shared::tenant();
    let zip = zip_code(&[("index.js", "exports.main = () => ({})")]);
    let skeleton = "openwhisk/dockerskeleton";
    for (name, exec, binary) in [
        ("python", json!({"kind": "python:default", "code": "def main(a): return a"}), false),
        ("archive", json!({"kind": "nodejs:default", "code": zip, "main": "main"}), true),
        ("empty", json!({"kind": "nodejs:default", "code": ""}), false),
        ("native", json!({"kind": "blackbox", "code": "#!/bin/sh\necho '{}'", "image": skeleton}), false),
        (
            "native_zip",
            json!({"kind": "blackbox", "code": zip_code(&[("exec", "x")]), "image": skeleton}),
            true,
        ),
        ("docker", json!({"kind": "blackbox", "image": "someone/something"}), false),
        ("docker_with_code", json!({"kind": "blackbox", "code": "x", "image": "someone/something"}), false),
    ] {
        put(&tenant, name, false, json!({"exec": exec}));
        let saved = get(&tenant, name, true)["exec"].take();
        assert_eq!(saved["binary"], binary, "{name}: {saved}");
        for member in ["code", "image", "main"] {
            assert_eq!(saved.get(member), exec.get(member), "{name}: {saved}");
        }
        assert_eq!(get(&tenant, name, false)["exec"].get("code"), None, "{name}");
    }
}

/// `--copy` sends what it read, behind what its own flags say.
#[test]
fn a_copy_is_what_was_read() {
    let tenant = shared::tenant();
    let pairs = |key: &str, value: Value| json!([{"key": key, "value": value}]);
    for exec in [
        json!({"kind": "nodejs:default", "code": action::ECHO}),
        json!({"kind": "nodejs:default", "code": zip_code(&[("index.js", "exports.f = a => a")]), "main": "f"}),
        json!({"kind": "blackbox", "image": "someone/something"}),
    ] {
        let body = json!({"exec": exec, "parameters": pairs("a", json!([1])), "annotations": pairs("b", json!(null))});
        let name = if exec["kind"] == "blackbox" { "docker" } else { "code" };
        let original = put(&tenant, name, true, body);
        let read = get(&tenant, name, true);
        let joined = |list: &str, own: Value| {
            let mut all = own.as_array().cloned().unwrap_or_default();
            all.extend(read[list].as_array().cloned().unwrap_or_default());
            json!(all)
        };
        let copy = json!({
            "exec": read["exec"],
            "parameters": joined("parameters", pairs("own", json!(2))),
            "annotations": joined("annotations", pairs("own", json!(3))),
        });
        let copied = put(&tenant, &format!("copy_of_{name}"), true, copy);
        assert_eq!(copied["exec"], original["exec"]);
        assert_eq!(action::parameter(&copied, "a"), Some(&json!([1])));
        assert_eq!(action::parameter(&copied, "own"), Some(&json!(2)));
        for key in ["b", "exec", "provide-api-key"] {
            assert_eq!(action::annotation(&copied, key), action::annotation(&original, key), "{key}");
        }
        assert_eq!(action::annotation(&copied, "own"), Some(&json!(3)));
    }
}

/// `--web` sends all annotations it knows of again; a secret of `--web-secure` is a number that must not change.
#[test]
fn web_flags_are_annotations() {
    let tenant = shared::tenant();
    let secret = (1_u64 << 53) - 1;
    let flags = |web: bool, raw: bool| {
        vec![("web-export", json!(web)), ("raw-http", json!(raw)), ("final", json!(web))]
    };
    put(&tenant, "a", false, action::nodejs(action::ECHO));
    let kind = tenant.default_kind("nodejs");
    for (mut sent, deleted) in [
        (flags(true, false), None),
        (flags(false, false), None),
        (flags(true, true), None),
        ([flags(true, false), vec![("require-whisk-auth", json!(secret))]].concat(), None),
        (flags(true, false), Some("require-whisk-auth")),
    ] {
        sent.extend([("provide-api-key", json!(false)), ("exec", json!(kind))]);
        let pairs: Vec<_> = sent.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let mut body = json!({"annotations": pairs});
        if let Some(deleted) = deleted {
            body["delAnnotations"] = json!([deleted]);
        }
        put(&tenant, "a", true, body);
        let stored = get(&tenant, "a", false);
        for (key, value) in &sent {
            assert_eq!(action::annotation(&stored, key), Some(value), "{key}");
        }
        assert_eq!(stored["annotations"].as_array().map(Vec::len), Some(sent.len()), "{stored}");
    }
}

/// The command line escapes a name as a path: most signs stay as they are.
#[test]
fn names_come_as_a_path_has_them() {
    let tenant = shared::tenant();
    for (escaped, name) in [("action%20with%20spaces", "action with spaces"), ("a@b&c.d-e", "a@b&c.d-e")] {
        let body = json!({"namespace": "_", "name": name, "exec": action::nodejs(action::ECHO)["exec"]});
        let target = format!("actions/{escaped}?overwrite=false");
        let created = as_cli(&tenant, "PUT", &target, Some(&body)).send().expect(200).json();
        assert_eq!(shapes::action(created)["name"], name);
        assert_eq!(get(&tenant, escaped, false)["name"], name);
    }
    for escaped in ["%20", "hi+there", "$hola", "dora%3F", "%7Cdora%7Cdora%3F", "100%25", "./a:b"] {
        let target = format!("actions/{escaped}?overwrite=false");
        let refused = as_cli(&tenant, "PUT", &target, Some(&action::nodejs(action::ECHO))).send();
        assert_eq!(exit_code(&refused), 144, "{escaped}");
    }
}

#[test]
fn action_list() {
    let tenant = shared::tenant();
    put(&tenant, "a", false, action::nodejs(action::ECHO));
    put(&tenant, "b", false, json!({"exec": {"kind": "blackbox", "image": "someone/something"}}));
    let list = as_cli(&tenant, "GET", "actions?limit=30&skip=0", None).send().expect(200).array();
    assert_eq!(list.len(), 2);
    list.into_iter().for_each(|entry| drop(shapes::action(entry)));
    // The actions of a package, by `wsk action list PACKAGE`.
    let missing = as_cli(&tenant, "GET", "actions/package/?limit=30&skip=0", None).send();
    assert_eq!(exit_code(&missing), 148);
    // Names with a namespace put it into the path.
    let target = format!("/api/v1/namespaces/{}/actions/a?code=false", tenant.namespace());
    let read = tenant.api().get(&target).auth(tenant.user()).send().expect(200).json();
    assert_eq!(shapes::action(read)["name"], "a");
    let stranger = shared::tenant();
    assert_eq!(exit_code(&tenant.api().get(&target).auth(stranger.user()).send()), 147);
}

#[test]
fn limits_are_sent_one_by_one() {
    let tenant = shared::tenant();
    put(&tenant, "a", false, action::nodejs(action::ECHO));
    for (limit, good, bad) in
        [("timeout", 1_000, 1), ("memory", 128, 1), ("logs", 0, 1_000), ("concurrency", 1, 1_000)]
    {
        let stored = put(&tenant, "a", true, json!({"limits": {limit: good}}));
        assert_eq!(stored["limits"][limit], good, "{stored}");
        let body = json!({"namespace": "_", "name": "a", "limits": {limit: bad}});
        let refused = as_cli(&tenant, "PUT", "actions/a?overwrite=true", Some(&body)).send();
        assert_eq!(exit_code(&refused), 144, "{limit}");
    }
}

#[test]
fn an_unknown_kind_is_a_usage_error_with_its_name() {
    let tenant = shared::tenant();
    for kind in ["foobar", "php:default"] {
        let body = json!({"namespace": "_", "name": "a", "exec": {"kind": kind, "code": "x"}});
        let refused = as_cli(&tenant, "PUT", "actions/a?overwrite=false", Some(&body)).send();
        assert_eq!(exit_code(&refused), 144);
        let text = format!("The specified runtime '{kind}' is not supported by this platform.");
        assert!(refused.error_message(400).contains(&text), "{refused:?}");
    }
}
