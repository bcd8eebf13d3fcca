//! What belongs to no entity: properties, namespaces, the SDK, keys and connections.

use oxwhisk_e2e::{action, shared};
use serde_json::json;

use super::{as_cli, exit_code};
use crate::wire::{Wire, answers, head};

#[test]
fn property_get_reads_build_strings() {
    // Without a key, and as Go's own client.
    let request = shared::api().get("/api/v1").header("User-Agent", "Go-http-client/1.1");
    let info = request.header("Accept-Encoding", "gzip").send().expect(200).json();
    assert!(info["build"].is_string() && info["buildno"].is_string(), "{info}");
}

#[test]
fn namespace_list_and_get() {
    let tenant = shared::tenant();
    let list = tenant.api().get("/api/v1/namespaces").auth(tenant.user()).send().expect(200).json();
    assert_eq!(list, json!([tenant.namespace()]));
    for collection in ["actions", "packages", "triggers", "rules"] {
        let target = format!("{collection}?limit=0&skip=0");
        let list = as_cli(&tenant, "GET", &target, None).send().expect(200).array();
        assert!(list.is_empty(), "{collection}: {list:?}");
    }
}

/// `wsk sdk install` asks for files that only an edge has; it must not take an answer for one.
#[test]
fn there_are_no_sdk_files() {
    for file in ["blackbox.tar.gz", "OpenWhiskIOSStarterApp.zip"] {
        shared::api().get(&format!("/{file}")).send().expect(404);
    }
}

#[test]
fn c304_errors_behind_exit_codes() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let body = action::nodejs(action::ECHO);
    assert_eq!(exit_code(&as_cli(&tenant, "GET", "actions/none?code=false", None).send()), 148);
    assert_eq!(exit_code(&as_cli(&tenant, "DELETE", "actions/none", None).send()), 148);
    assert_eq!(exit_code(&as_cli(&tenant, "PUT", "actions/a?overwrite=false", Some(&body)).send()), 153);
    assert_eq!(exit_code(&as_cli(&tenant, "PUT", "actions/b?overwrite=false", Some(&json!({}))).send()), 144);
    let invoke = "actions/none?blocking=false&result=false";
    assert_eq!(exit_code(&as_cli(&tenant, "POST", invoke, Some(&json!({}))).send()), 148);
    let payload = json!({"x": "x".repeat(1024 * 1024)});
    let invoke = "actions/a?blocking=true&result=false";
    assert_eq!(exit_code(&as_cli(&tenant, "POST", invoke, Some(&payload)).send()), 157);
}

/// A key may be anything that a user typed, without a colon too.
#[test]
fn c304_a_wrong_key_is_told_as_one() {
    let api = shared::api();
    for key in ["x:y", "xxx", ":"] {
        let refused = api.get("/api/v1/namespaces/_/actions?limit=30&skip=0").basic(key).send();
        assert_eq!(exit_code(&refused), 145, "{key}");
        assert_eq!(refused.error_message(401), "The supplied authentication is invalid", "{key}");
    }
}

/// An update is two requests, and Go's client sends the second where it got the first answered.
#[test]
fn an_update_uses_one_connection() {
    let tenant = shared::tenant();
    let body = format!("{}\n", action::nodejs(action::ECHO));
    let mut wire = Wire::open(tenant.api());
    wire.send(head(&tenant, "GET", "actions/new?code=false") + "\r\n");
    wire.read_until("does not exist.\"}");
    let length = body.len();
    let last = "Connection: close\r\n";
    let update = head(&tenant, "PUT", "actions/new?overwrite=true");
    wire.send(format!("{update}Content-Length: {length}\r\n{last}\r\n{body}"));
    let answer = wire.read_to_end();
    assert!(answers(&answer) == 1 && answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}
