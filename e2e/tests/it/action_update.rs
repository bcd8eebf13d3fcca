//! Checklist lines 100 to 108 and 121: annotations, parameters, updates and deletion of actions.

use oxwhisk_e2e::{action, shared};
use serde_json::{Value, json};

use crate::malformed;

fn annotated(annotations: Value) -> Value {
    action::with(action::nodejs(action::ECHO), "annotations", annotations)
}

fn keys(entity: &Value, list: &str) -> Vec<String> {
    let items = entity[list].as_array().expect("a list").iter();
    let mut keys: Vec<_> = items.filter_map(|item| item["key"].as_str().map(str::to_owned)).collect();
    keys.sort();
    keys
}

#[test]
fn c100_a_new_action_is_annotated_with_kind_and_no_api_key() {
    let tenant = shared::tenant();
    let stored = tenant.create("a", &action::nodejs(action::ECHO));
    assert_eq!(action::annotation(&stored, "exec"), Some(&stored["exec"]["kind"]));
    assert_eq!(action::annotation(&stored, "provide-api-key"), Some(&json!(false)));
    let read = tenant.get("actions/a").expect(200).json();
    assert_eq!(keys(&read, "annotations"), ["exec", "provide-api-key"]);
}

#[test]
fn c101_a_given_api_key_annotation_is_kept() {
    let body = annotated(json!([{"key": "provide-api-key", "value": true}]));
    let stored = shared::tenant().create("a", &body);
    assert_eq!(action::annotation(&stored, "provide-api-key"), Some(&json!(true)));
}

#[test]
fn c102_the_exec_annotation_is_the_servers() {
    let stored = shared::tenant().create("a", &annotated(json!([{"key": "exec", "value": "foo"}])));
    assert_eq!(action::annotation(&stored, "exec"), Some(&stored["exec"]["kind"]));
    assert_eq!(keys(&stored, "annotations"), ["exec", "provide-api-key"]);
}

#[test]
fn c103_an_update_adds_to_the_annotations() {
    let tenant = shared::tenant();
    tenant.create("a", &annotated(json!([{"key": "a", "value": 1}, {"key": "c", "value": 1}])));
    let update = json!({"annotations": [{"key": "b", "value": null}, {"key": "c", "value": 2}]});
    let stored = tenant.update("a", &update);
    assert_eq!(keys(&stored, "annotations"), ["a", "b", "c", "exec", "provide-api-key"]);
    assert_eq!(action::annotation(&stored, "b"), Some(&Value::Null));
    assert_eq!(action::annotation(&stored, "c"), Some(&json!(2)));
}

#[test]
fn c104_annotations_are_deleted_by_name() {
    let tenant = shared::tenant();
    tenant.create("a", &annotated(json!([{"key": "a", "value": 1}, {"key": "b", "value": 1}])));
    let stored = tenant.update("a", &json!({"delAnnotations": ["a", "never_there"]}));
    assert_eq!(keys(&stored, "annotations"), ["b", "exec", "provide-api-key"]);
}

#[test]
fn c105_parameters_are_replaced_as_a_whole_or_kept() {
    let tenant = shared::tenant();
    let parameters = json!([{"key": "a", "value": 1}, {"key": "b", "value": {"deep": [1]}}]);
    tenant.create("a", &action::with(action::nodejs(action::ECHO), "parameters", parameters));
    let kept = tenant.update("a", &json!({}));
    assert_eq!(keys(&kept, "parameters"), ["a", "b"]);
    assert_eq!(action::parameter(&kept, "b"), Some(&json!({"deep": [1]})));
    let replaced = tenant.update("a", &json!({"parameters": [{"key": "c", "value": null}]}));
    assert_eq!(replaced["parameters"], json!([{"key": "c", "value": null}]));
}

#[test]
fn c105_the_last_of_equal_parameter_names_wins() {
    let parameters = json!([{"key": "a", "value": 1}, {"key": "a", "value": 2}]);
    let body = action::with(action::nodejs(action::ECHO), "parameters", parameters);
    assert_eq!(shared::tenant().create("a", &body)["parameters"], json!([{"key": "a", "value": 2}]));
}

#[test]
fn c106_limits_are_updated_one_by_one() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs_with_timeout(action::ECHO, 5_000));
    let limits = tenant.update("a", &json!({"limits": {"memory": 512}}))["limits"].take();
    assert_eq!(limits, json!({"timeout": 5_000, "memory": 512, "logs": 10, "concurrency": 1}));
}

#[test]
fn c107_a_parameter_needs_name_and_value() {
    let tenant = shared::tenant();
    for bad in [json!([{"key": "a"}]), json!([{"value": 1}]), json!([{"key": " ", "value": 1}]), json!([5])] {
        let response =
            tenant.put("actions/a", &action::with(action::nodejs(action::ECHO), "parameters", bad.clone()));
        let message = response.error_message(400);
        response.check(message.starts_with(&malformed("")), &bad.to_string());
    }
}

#[test]
fn c108_an_init_parameter_is_echoed_as_one() {
    let tenant = shared::tenant();
    let parameters = json!([{"key": "CFG", "value": {"a": 1}, "init": true}]);
    let body = action::with(action::nodejs(action::ECHO), "parameters", parameters.clone());
    assert_eq!(tenant.create("a", &body)["parameters"], parameters);
    assert_eq!(tenant.get("actions/a").expect(200).json()["parameters"], parameters);
}

#[test]
fn c121_a_deleted_action_is_answered_once_more() {
    let tenant = shared::tenant();
    let stored = tenant.create("a", &action::nodejs(action::ECHO));
    assert_eq!(tenant.delete("actions/a").expect(200).json(), stored);
    let message = "The requested resource does not exist.";
    tenant.delete("actions/a").expect_error(404, message);
    tenant.get("actions/a").expect_error(404, message);
}

#[test]
fn c121_a_deleted_name_starts_anew() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    tenant.update("a", &json!({}));
    tenant.delete("actions/a").expect(200);
    assert_eq!(tenant.create("a", &action::nodejs(action::ECHO))["version"], "0.0.1");
}
