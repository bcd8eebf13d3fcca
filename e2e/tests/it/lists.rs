//! Checklist lines 69 to 83: lists of actions.

use oxwhisk_e2e::{Tenant, action, shared};
use serde_json::{Value, json};

use crate::malformed_query;

fn names(list: &[Value]) -> Vec<&str> {
    list.iter().filter_map(|entry| entry["name"].as_str()).collect()
}

/// Creates actions named `a0`, `a1`, ... in this order, no two within one millisecond: lists are sorted by
/// `updated`, and ties may come in any order.
fn create_some(tenant: &Tenant, count: usize) {
    for n in 0..count {
        tenant.create(&format!("a{n}"), &action::nodejs(action::ECHO));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn c069_limit_zero_means_the_most_that_is_allowed() {
    let tenant = shared::tenant();
    create_some(&tenant, 201);
    assert_eq!(tenant.get("actions?limit=0").expect(200).array().len(), 200);
    assert_eq!(tenant.get("actions?limit=200").expect(200).array().len(), 200);
}

#[test]
fn c070_limit_above_the_most() {
    let response = shared::tenant().get("actions?limit=201");
    let detail = "The value '201' is not in the range of 0 to 200 for actions.";
    response.expect_error(400, &malformed_query("limit", detail));
}

#[test]
fn c071_skip_below_zero() {
    let response = shared::tenant().get("actions?skip=-1");
    let detail = "The value '-1' is not greater than or equal to 0 for actions.";
    response.expect_error(400, &malformed_query("skip", detail));
}

#[test]
fn c072_skip_and_limit_cut_a_window_from_the_newest() {
    let tenant = shared::tenant();
    create_some(&tenant, 3);
    let list = tenant.get("actions?limit=1&skip=1").expect(200).array();
    assert_eq!(names(&list), ["a1"]);
}

#[test]
fn c073_a_list_has_30_entries_unless_asked() {
    let tenant = shared::tenant();
    create_some(&tenant, 31);
    let list = tenant.get("actions").expect(200).array();
    assert_eq!(list.len(), 30);
    assert_eq!(list[0]["name"], "a30");
}

#[test]
fn c074_the_last_updated_comes_first() {
    let tenant = shared::tenant();
    create_some(&tenant, 3);
    assert_eq!(names(&tenant.get("actions").expect(200).array()), ["a2", "a1", "a0"]);
    tenant.update("a0", &json!({}));
    assert_eq!(names(&tenant.get("actions").expect(200).array()), ["a0", "a2", "a1"]);
}

#[test]
fn c075_count_counts_what_skip_leaves() {
    let tenant = shared::tenant();
    create_some(&tenant, 3);
    for (query, count) in [("", 3), ("&skip=1", 2), ("&skip=4", 0), ("&limit=1", 3)] {
        let response = tenant.get(&format!("actions?count=true{query}")).expect(200);
        assert_eq!(response.json(), json!({"actions": count}), "{query}");
    }
}

#[test]
fn c076_activations_are_counted_under_their_own_name() {
    let tenant = shared::tenant();
    let response = tenant.get("activations?count=true&name=never_invoked").expect(200);
    assert_eq!(response.json(), json!({"activations": 0}));
}

#[test]
fn c078_a_list_entry_is_a_summary() {
    let tenant = shared::tenant();
    let body = action::with(
        action::nodejs(action::ECHO),
        "parameters",
        json!([{"key": "secret", "value": "not for lists"}]),
    );
    let stored = tenant.create("a", &body);
    let list = tenant.get("actions").expect(200).array();
    let expected = json!({
        "namespace": tenant.namespace(), "name": "a", "version": "0.0.1", "publish": false,
        "annotations": list[0]["annotations"], "limits": stored["limits"],
        "exec": {"binary": false}, "updated": stored["updated"],
    });
    assert_eq!(list, [expected]);
    assert_eq!(action::annotation(&list[0], "exec"), Some(&stored["exec"]["kind"]));
}

#[test]
fn c082_a_collection_may_end_in_a_slash() {
    let tenant = shared::tenant();
    create_some(&tenant, 2);
    let without = tenant.get("actions").expect(200).array();
    assert_eq!(without.len(), 2);
    assert_eq!(tenant.get("actions/").expect(200).array(), without);
}

#[test]
fn c083_an_entity_with_a_slash_is_asked_for_as_a_package() {
    let tenant = shared::tenant();
    create_some(&tenant, 1);
    let message = "Resource by this name exists but is not in this collection.";
    tenant.get("actions/a0/").expect_error(409, message);
    tenant.get("actions/none/").expect(404).error_message(404);
}
