//! Actions whose code is an archive.

use oxwhisk_e2e::shared;
use serde_json::{Value, json};

use crate::archive::zip_code;

fn body(kind: &str, code: &str) -> Value {
    json!({"exec": {"kind": kind, "code": code}})
}

#[test]
fn a_nodejs_archive_with_a_package_and_a_module_beside_it() {
    let tenant = shared::tenant();
    let code = zip_code(&[
        ("package.json", r#"{"name": "a", "main": "start.js"}"#),
        (
            "start.js",
            "const greet = require('./lib/greet');\nexports.main = args => ({text: greet(args.name)});",
        ),
        ("lib/greet.js", "module.exports = name => `hello ${name}`;"),
    ]);
    let stored = tenant.create("a", &body("nodejs:default", &code));
    assert_eq!(stored["exec"]["binary"], true);
    let response = tenant.call_for_result("a", &json!({"name": "zip"})).expect(200);
    assert_eq!(response.json(), json!({"text": "hello zip"}));
}

#[test]
fn a_python_archive_with_a_module_beside_it() {
    let tenant = shared::tenant();
    let code = zip_code(&[
        (
            "__main__.py",
            "from greet import greet\ndef main(args):\n    return {'text': greet(args['name'])}\n",
        ),
        ("greet.py", "def greet(name):\n    return 'hello ' + name\n"),
    ]);
    tenant.create("a", &body("python:default", &code));
    let response = tenant.call_for_result("a", &json!({"name": "zip"})).expect(200);
    assert_eq!(response.json(), json!({"text": "hello zip"}));
}

#[test]
fn a_native_archive_with_a_file_beside_its_executable() {
    let tenant = shared::tenant();
    let code = zip_code(&[
        ("exec", "#!/bin/sh\ncat \"$(dirname \"$0\")/answer.json\"\n"),
        ("answer.json", "{\"from\": \"zip\"}\n"),
    ]);
    tenant.create(
        "a",
        &json!({"exec": {"kind": "blackbox", "image": "openwhisk/dockerskeleton", "code": code}}),
    );
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), json!({"from": "zip"}));
}

#[test]
fn code_larger_than_any_inline_code_runs() {
    let tenant = shared::tenant();
    let code = format!("// {}\nfunction main() {{ return {{large: true}} }}", "filler ".repeat(300_000));
    tenant.create("a", &body("nodejs:default", &code));
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), json!({"large": true}));
}

#[test]
fn another_function_than_main() {
    let tenant = shared::tenant();
    let code = "function main() { return {wrong: true} }\nfunction other() { return {right: true} }";
    tenant.create("a", &json!({"exec": {"kind": "nodejs:default", "code": code, "main": "other"}}));
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), json!({"right": true}));
}
