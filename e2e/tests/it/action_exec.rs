//! Checklist lines 85 to 90, 92 to 94, 97 to 99 and 128: the `exec` of an action, and creating, reading and
//! deleting it. Lines 91, 95 and 96 need a manifest of their own: see `manifest.rs`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_e2e::{action, shared};
use serde_json::{Value, json};

use crate::malformed;

fn exec(exec: Value) -> Value {
    json!({"exec": exec})
}

#[test]
fn c085_a_new_action_needs_exec() {
    shared::tenant().put("actions/a", &json!({})).expect_error(400, "exec undefined");
}

#[test]
fn c086_the_default_kind_is_resolved_when_stored() {
    let tenant = shared::tenant();
    let stored = tenant.create("a", &action::nodejs(action::ECHO));
    assert_eq!(stored["exec"]["kind"], tenant.default_kind("nodejs").as_str());
}

#[test]
fn c087_a_kind_is_trimmed_and_lower_cased() {
    let tenant = shared::tenant();
    let kind = tenant.default_kind("nodejs");
    let sent = format!(" {} ", kind.to_uppercase());
    let stored = tenant.create("a", &exec(json!({"kind": sent, "code": action::ECHO})));
    assert_eq!(stored["exec"]["kind"], kind.as_str());
}

#[test]
fn c088_an_unknown_kind_names_the_known_ones() {
    let tenant = shared::tenant();
    let response = tenant.put("actions/a", &exec(json!({"kind": "cobol", "code": "x"})));
    let message = response.error_message(400);
    let start =
        malformed("The specified runtime 'cobol' is not supported by this platform. Valid values are: ");
    response.check(message.starts_with(&start), "start of the message");
    for kind in [tenant.default_kind("nodejs").as_str(), "blackbox", "sequence"] {
        response.check(message[start.len()..].contains(&format!("'{kind}'")), kind);
    }
}

#[test]
fn c089_exec_needs_a_kind() {
    let tenant = shared::tenant();
    for body in [json!({"code": "x"}), json!({"kind": 5, "code": "x"})] {
        let response = tenant.put("actions/a", &exec(body));
        response.expect_error(400, &malformed("'kind' must be a string defined in 'exec'"));
    }
}

#[test]
fn c090_a_runtime_needs_code() {
    let tenant = shared::tenant();
    let default = tenant.default_kind("nodejs");
    let kinds = tenant.kinds("nodejs");
    let described = kinds.iter().find(|kind| kind["kind"] == default.as_str()).expect("the default kind");
    let wanted = if described["attached"] == true { "a string or attachment object" } else { "a string" };
    let response = tenant.put("actions/a", &exec(json!({"kind": default})));
    let detail = format!("'code' must be {wanted} defined in 'exec' for '{default}' actions");
    response.expect_error(400, &malformed(&detail));
}

#[test]
fn c090_main_must_be_a_string() {
    let tenant = shared::tenant();
    let default = tenant.default_kind("nodejs");
    let response = tenant.put("actions/a", &exec(json!({"kind": default, "code": "x", "main": 5})));
    let detail = format!("if defined, 'main' be a string in 'exec' for '{default}' actions");
    response.expect_error(400, &malformed(&detail));
}

#[test]
fn c092_a_blackbox_needs_an_image() {
    let response = shared::tenant().put("actions/a", &exec(json!({"kind": "blackbox"})));
    let detail = "'image' must be a string defined in 'exec' for 'blackbox' actions";
    response.expect_error(400, &malformed(detail));
}

#[test]
fn c093_a_blackbox_image_that_is_no_image_name() {
    let response = shared::tenant().put("actions/a", &exec(json!({"kind": "blackbox", "image": "a b"})));
    response.expect_error(400, &malformed("could not parse image name"));
}

#[test]
fn c094_a_blackbox_image_is_echoed_as_sent() {
    let tenant = shared::tenant();
    let images = ["openwhisk/example:1.0", "example", "registry.example:5000/a/b:tag"];
    for (n, image) in images.into_iter().enumerate() {
        let stored = tenant.create(&format!("a{n}"), &exec(json!({"kind": "blackbox", "image": image})));
        assert_eq!((&stored["exec"]["kind"], &stored["exec"]["image"]), (&json!("blackbox"), &json!(image)));
        assert_eq!(action::annotation(&stored, "exec"), Some(&json!("blackbox")));
    }
}

#[test]
fn c097_the_answer_has_the_code_as_sent() {
    let tenant = shared::tenant();
    let code = "// äöü \u{1F600} \"quoted\"\nfunction main() { return {} }\n";
    assert_eq!(tenant.create("a", &action::nodejs(code))["exec"]["code"], code);
    assert_eq!(tenant.get("actions/a").expect(200).json()["exec"]["code"], code);
}

#[test]
fn c097_large_code_comes_back_whole() {
    let tenant = shared::tenant();
    // Larger than any code that a store keeps inline.
    let code = format!("// {}\n{}", "filler ".repeat(40_000), action::ECHO);
    tenant.create("a", &action::nodejs(&code));
    let read = tenant.get("actions/a").expect(200).json();
    assert!(read["exec"]["code"] == code.as_str(), "code of {} bytes changed", code.len());
}

#[test]
fn c098_binary_tells_base64_from_source() {
    let tenant = shared::tenant();
    let archive = STANDARD.encode(b"PK\x03\x04 not really an archive");
    for (name, code, binary) in [("a", archive.as_str(), true), ("b", action::ECHO, false)] {
        let stored = tenant.create(name, &action::nodejs(code));
        assert_eq!(stored["exec"]["binary"], json!(binary));
        let read = tenant.get(&format!("actions/{name}?code=false")).expect(200).json();
        assert_eq!(read["exec"]["binary"], json!(binary));
    }
}

#[test]
fn c098_a_callers_binary_is_ignored() {
    let tenant = shared::tenant();
    let default = tenant.default_kind("nodejs");
    let body = exec(json!({"kind": default, "code": action::ECHO, "binary": true}));
    assert_eq!(tenant.create("a", &body)["exec"]["binary"], json!(false));
}

#[test]
fn c099_code_can_be_left_out_of_an_answer() {
    let tenant = shared::tenant();
    let default = tenant.default_kind("nodejs");
    tenant.create("a", &exec(json!({"kind": default, "code": action::ECHO, "main": "main"})));
    assert_eq!(tenant.get("actions/a").expect(200).json()["exec"]["code"], action::ECHO);
    assert_eq!(tenant.get("actions/a?code=true").expect(200).json()["exec"]["code"], action::ECHO);
    let without = tenant.get("actions/a?code=false").expect(200).json();
    assert_eq!(without["exec"], json!({"kind": default, "binary": false, "main": "main"}));
}

#[test]
fn c128_name_and_namespace_in_a_body_are_ignored() {
    let tenant = shared::tenant();
    let body = action::with(action::nodejs(action::ECHO), "name", json!("other"));
    let stored = tenant.create("a", &action::with(body, "namespace", json!("foreign")));
    assert_eq!((&stored["name"], &stored["namespace"]), (&json!("a"), &json!(tenant.namespace())));
    tenant.get("actions/other").expect(404);
}
