//! Checklist lines 281 to 285 and 287 to 294: records and limits, read.

use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{Tenant, action, shared, wait};
use serde_json::{Value, json};

use crate::malformed_query;

/// Creates an action and invokes it; gives the ids once all records can be listed, oldest first.
#[track_caller]
fn invoke(tenant: &Tenant, name: &str, times: usize) -> Vec<String> {
    tenant.update(name, &action::nodejs("function main(a) { console.log('line'); return a }"));
    let ids: Vec<_> = (0..times)
        .map(|n| {
            // No two starts within one millisecond: lists are sorted by start.
            std::thread::sleep(std::time::Duration::from_millis(2));
            let record = tenant.call(name, &json!({"n": n})).expect(200).json();
            record["activationId"].as_str().expect("an id").to_owned()
        })
        .collect();
    wait::until("all records in the list", || {
        let list = list_of(tenant, &format!("name={name}&limit=200"));
        let listed = ids.iter().filter(|id| list.iter().any(|entry| entry["activationId"] == id.as_str()));
        if listed.count() == ids.len() { Ok(()) } else { Err(format!("{list:?}")) }
    });
    ids
}

#[track_caller]
fn list_of(tenant: &Tenant, query: &str) -> Vec<Value> {
    tenant.get(&format!("activations?{query}")).expect(200).array()
}

fn ids_of(list: &[Value]) -> Vec<&str> {
    list.iter().filter_map(|entry| entry["activationId"].as_str()).collect()
}

#[test]
fn c281_a_list_has_summaries_newest_first() {
    let tenant = shared::tenant();
    let ids = invoke(&tenant, "a", 3);
    let list = list_of(&tenant, "limit=3");
    assert_eq!(ids_of(&list), [ids[2].as_str(), &ids[1], &ids[0]]);
    let record = tenant.record(&ids[2]);
    let mut expected = json!({"statusCode": 0});
    for member in
        ["namespace", "name", "version", "publish", "annotations", "activationId", "start", "end", "duration"]
    {
        expected[member] = record[member].clone();
    }
    assert_eq!(list[0], expected);
}

#[test]
fn c282_docs_makes_a_list_of_records() {
    let tenant = shared::tenant();
    let ids = invoke(&tenant, "a", 1);
    let list = list_of(&tenant, "docs=true&limit=1");
    assert_eq!(list, [tenant.record(&ids[0])]);
    assert_eq!(list[0]["logs"].as_array().map(Vec::len), Some(1), "{list:?}");
}

#[test]
fn c283_a_list_of_one_name() {
    let tenant = shared::tenant();
    let ids = invoke(&tenant, "a", 2);
    invoke(&tenant, "b", 1);
    assert_eq!(ids_of(&list_of(&tenant, "name=a&limit=2")), [ids[1].as_str(), &ids[0]]);
    assert_eq!(list_of(&tenant, "name=none"), Vec::<Value>::new());
    assert_eq!(ids_of(&list_of(&tenant, "name=a&limit=1&skip=1")), [ids[0].as_str()]);
}

#[test]
fn c283_a_name_has_two_parts_at_most() {
    let response = shared::tenant().get("activations?name=a/b/c");
    let detail = "Parameter may be a 'simple' name or 'package-name/simple' name: a/b/c";
    response.expect_error(400, &malformed_query("name", detail));
}

#[test]
fn c284_since_and_upto_are_inclusive() {
    let tenant = shared::tenant();
    let ids = invoke(&tenant, "a", 3);
    let starts: Vec<_> = ids.iter().map(|id| tenant.record(id)["start"].as_u64().expect("a start")).collect();
    let since = list_of(&tenant, &format!("since={}", starts[1]));
    assert_eq!(ids_of(&since), [ids[2].as_str(), &ids[1]]);
    let both = list_of(&tenant, &format!("since={}&upto={}", starts[0], starts[1]));
    assert_eq!(ids_of(&both), [ids[1].as_str(), &ids[0]]);
    let counted = tenant.get(&format!("activations?count=true&since={}", starts[1])).expect(200).json();
    assert_eq!(counted, json!({"activations": 2}));
}

#[test]
fn c284_since_is_a_number() {
    let tenant = shared::tenant();
    for parameter in ["since", "upto"] {
        let detail = "Parameter is not a valid value for epoch seconds: x";
        let response = tenant.get(&format!("activations?{parameter}=x"));
        response.expect_error(400, &malformed_query(parameter, detail));
    }
}

#[test]
fn c285_count_has_no_docs() {
    let response = shared::tenant().get("activations?count=true&docs=true");
    let message = response.error_message(400);
    response.check(message.contains("The parameter 'docs' is not permitted with 'count'."), "message");
}

#[test]
fn c070_limits_of_activation_lists_name_their_collection() {
    let response = shared::tenant().get("activations?limit=201");
    let detail = "The value '201' is not in the range of 0 to 200 for activations.";
    response.expect_error(400, &malformed_query("limit", detail));
}

#[test]
fn c287_a_record_and_its_parts() {
    let tenant = shared::tenant();
    let id = invoke(&tenant, "a", 1).remove(0);
    let record = tenant.get(&format!("activations/{id}")).expect(200).json();
    assert_eq!(record["activationId"], id.as_str());
    assert_eq!(tenant.get(&format!("activations/{id}/")).expect(200).json(), record);
    let logs = tenant.get(&format!("activations/{id}/logs")).expect(200).json();
    assert_eq!(logs, json!({"logs": record["logs"]}));
    assert!(logs["logs"][0].as_str().is_some_and(|line| line.ends_with("stdout: line")), "{logs}");
    let result = tenant.get(&format!("activations/{id}/result")).expect(200).json();
    assert_eq!(result, record["response"]);
    assert_eq!(result, json!({"status": "success", "success": true, "result": {"n": 0}, "size": 7}));
}

#[test]
fn c288_an_id_has_32_characters() {
    let response = shared::tenant().get(&format!("activations/{}", "a".repeat(31)));
    response.expect_error(400, "Activation id length is 31 but must be 32.");
}

#[test]
fn c289_an_id_is_hexadecimal() {
    let response = shared::tenant().get(&format!("activations/{}", "g".repeat(32)));
    response.expect_error(400, "The activation id is not valid.");
}

#[test]
fn c290_an_unknown_or_foreign_id_does_not_exist() {
    let tenant = shared::tenant();
    let message = "The requested resource does not exist.";
    tenant.get(&format!("activations/{}", "0".repeat(32))).expect_error(404, message);
    let id = invoke(&tenant, "a", 1).remove(0);
    shared::tenant().get(&format!("activations/{id}")).expect_error(404, message);
}

#[test]
fn c290_a_foreign_namespaces_records_are_forbidden() {
    let (tenant, stranger) = (shared::tenant(), shared::tenant());
    let target = format!("/api/v1/namespaces/{}/activations", tenant.namespace());
    let message =
        format!("The supplied authentication is not authorized to access '{}'.", tenant.namespace());
    stranger.api().get(&target).auth(stranger.user()).send().expect_error(403, &message);
}

#[test]
fn c291_a_record_has_no_other_parts() {
    let tenant = shared::tenant();
    let id = invoke(&tenant, "a", 1).remove(0);
    tenant.get(&format!("activations/{id}/foo")).expect(404).error_message(404);
    for method in ["PUT", "POST", "DELETE"] {
        let response = tenant.request(method, &format!("activations/{id}")).send();
        response.expect_error(404, "The requested resource could not be found.");
    }
}

#[test]
fn c292_the_limits_in_force() {
    let limits = shared::tenant().get("limits").expect(200).json();
    let expected = json!({
        "invocationsPerMinute": 60, "concurrentInvocations": 30, "firesPerMinute": 60, "maxActionInstances": 30,
        "minActionMemory": 128, "maxActionMemory": 512, "minActionLogs": 0, "maxActionLogs": 10,
        "minActionTimeout": 100, "maxActionTimeout": 300_000, "minActionConcurrency": 1,
        "maxActionConcurrency": 1, "maxParameterSize": "1048576 B",
    });
    assert_eq!(limits, expected);
}

#[test]
fn c292_overrides_are_told() {
    let limits = shared::special(Special::OnlyNodejs20).get("limits").expect(200).json();
    assert_eq!(limits["allowedKinds"], json!(["nodejs:20"]), "{limits}");
    let limits = shared::special(Special::NoRecords).get("limits").expect(200).json();
    assert_eq!(limits["storeActivations"], json!(false), "{limits}");
    let limits = shared::special(Special::Busy).get("limits").expect(200).json();
    assert_eq!(limits["concurrentInvocations"], json!(1_000), "{limits}");
}

#[test]
fn c293_limits_have_no_parts() {
    let response = shared::tenant().get("limits/x");
    response.expect_error(400, "Inner entity level routes for limits are not yet implemented.");
}

#[test]
fn c294_foreign_limits_are_forbidden() {
    let (tenant, other) = (shared::tenant(), shared::special(Special::Other));
    let target = format!("/api/v1/namespaces/{}/limits", other.namespace());
    let message = format!("The supplied authentication is not authorized to access '{}'.", other.namespace());
    tenant.api().get(&target).auth(tenant.user()).send().expect_error(403, &message);
}
