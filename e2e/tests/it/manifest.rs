//! Checklist lines 91, 95 and 96: kinds that only a manifest of the test's own has.

use oxwhisk_e2e::{ServerOptions, action, shared};
use serde_json::{Value, json};

use crate::malformed;

const DEPRECATED: &str = "The 'nodejs:18' runtime is no longer supported. You may read and delete but not update or invoke this action.";

fn runtime(kind: &str, image: &str, flags: Value) -> Value {
    let mut runtime = json!({
        "kind": kind,
        "image": {"prefix": "openwhisk", "name": image, "tag": "nightly"},
        "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"},
    });
    let members = runtime.as_object_mut().expect("an object");
    members.extend(flags.as_object().expect("flags are an object").clone());
    runtime
}

/// Nothing is run with these kinds, so it does not matter which of them this machine could run.
fn manifest(nodejs18_is_deprecated: bool) -> Value {
    json!({
        "runtimes": {
            "nodejs": [
                runtime("nodejs:18", "action-nodejs-v18", json!({"deprecated": nodejs18_is_deprecated})),
                runtime("nodejs:20", "action-nodejs-v20", json!({"default": true})),
            ],
            "java": [runtime("java:8", "java8action", json!({"default": true, "requireMain": true}))],
        },
        "blackboxes": [{"prefix": "openwhisk", "name": "dockerskeleton", "tag": "nightly"}],
    })
}

fn nodejs18() -> Value {
    json!({"exec": {"kind": "nodejs:18", "code": action::ECHO}})
}

#[test]
fn the_manifest_is_told_by_system_info() {
    let options = ServerOptions::default().manifest(manifest(true));
    let Some(server) = shared::own_server("the_manifest_is_told_by_system_info", &options) else { return };
    let info = server.api().get("/").send().expect(200).json();
    let java = json!([{"kind": "java:8", "image": "openwhisk/java8action:nightly", "deprecated": false,
        "default": true, "attached": true, "requireMain": true}]);
    assert_eq!(info["runtimes"]["java"], java);
    assert_eq!(info["runtimes"]["nodejs"][0]["deprecated"], true, "{info}");
}

#[test]
fn c091_java_needs_main() {
    let options = ServerOptions::default().manifest(manifest(true));
    let Some(server) = shared::own_server("c091", &options) else { return };
    let tenant = server.tenant(0);
    let response = tenant.put("actions/a", &json!({"exec": {"kind": "java:8", "code": "UEsDBA=="}}));
    let detail = "'main' must be a string defined in 'exec' for 'java:8' actions";
    response.expect_error(400, &malformed(detail));
    let body = json!({"exec": {"kind": "java:default", "jar": "UEsDBA==", "main": "Hello"}});
    let stored = tenant.create("a", &body);
    assert_eq!((&stored["exec"]["kind"], &stored["exec"]["code"]), (&json!("java:8"), &json!("UEsDBA==")));
}

#[test]
fn c095_a_deprecated_kind_cannot_be_stored() {
    let options = ServerOptions::default().manifest(manifest(true));
    let Some(server) = shared::own_server("c095", &options) else { return };
    server.tenant(0).put("actions/a", &nodejs18()).expect_error(400, DEPRECATED);
}

#[test]
fn c096_an_action_whose_kind_became_deprecated_can_be_read_and_deleted() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::default().data_dir(data.path());
    let before = options.clone().manifest(manifest(false));
    let Some(server) = shared::own_server("c096", &before) else { return };
    server.tenant(0).create("a", &nodejs18());
    drop(server);

    let Some(server) = shared::own_server("c096", &options.manifest(manifest(true))) else { return };
    let tenant = server.tenant(0);
    assert_eq!(tenant.get("actions/a").expect(200).json()["exec"]["kind"], "nodejs:18");
    tenant.post("actions/a", &json!({})).expect_error(400, DEPRECATED);
    tenant.put("actions/a?overwrite=true", &json!({})).expect_error(400, DEPRECATED);
    tenant.delete("actions/a").expect(200);
}
