//! What deployments may have otherwise: answers without entities, no annotation for the API key, the id's header.

use oxwhisk_e2e::users::Roster;
use oxwhisk_e2e::{ServerOptions, action, shared, wait};
use serde_json::json;

fn options(variable: &str, value: &str) -> ServerOptions {
    ServerOptions::new(Roster::generate(1)).env(variable, value)
}

#[test]
fn without_response_payload_changes_are_only_confirmed() {
    let options = options("CONFIG_whisk_featureFlags_requireResponsePayload", "false");
    let Some(server) = shared::own_server("require_response_payload", &options) else { return };
    let tenant = server.tenant(0);
    for target in ["actions/a", "actions/a?overwrite=true"] {
        let put = tenant.put(target, &action::nodejs(action::ECHO)).expect(200);
        // No entity: the word that OpenWhisk's HTTP server has for a bare 200.
        assert_eq!(put.text(), "OK", "{put:?}");
        put.expect_header("content-type", "text/plain; charset=UTF-8");
    }
    assert_eq!(tenant.get("actions/a").expect(200).json()["version"], "0.0.2");
    let deleted = tenant.delete("actions/a").expect(204);
    assert_eq!(deleted.text(), "", "{deleted:?}");
    assert_eq!(deleted.header("content-type"), None, "{deleted:?}");
    tenant.get("actions/a").expect(404);
    // Failures are told as ever.
    tenant.delete("actions/a").expect_error(404, "The requested resource does not exist.");
}

#[test]
fn without_the_annotation_actions_get_the_api_key() {
    let options = options("CONFIG_whisk_featureFlags_requireApiKeyAnnotation", "false");
    let Some(server) = shared::own_server("require_api_key_annotation", &options) else { return };
    let tenant = server.tenant(0);
    let created = tenant.create("a", &action::nodejs(action::ENVIRONMENT));
    assert_eq!(action::annotation(&created, "provide-api-key"), None, "{created}");
    let environment = tenant.call_for_result("a", &json!({})).expect(200).json();
    assert_eq!(environment["__OW_API_KEY"], tenant.user().auth(), "{environment}");
}

#[test]
fn the_header_of_the_request_id_can_have_another_name() {
    let options = options("CONFIG_whisk_transactions_header", "X-My-Id");
    let Some(server) = shared::own_server("transactions_header", &options) else { return };
    let tenant = server.tenant(0);
    let request =
        tenant.request("GET", "actions/none").header("X-My-Id", "mine").header("X-Request-ID", "not");
    let missing = request.send().expect(404);
    missing.expect_header("x-my-id", "mine");
    assert_eq!(missing.header("x-request-id"), None, "{missing:?}");
    assert_eq!(missing.json()["code"], "mine");
    let ping = server.api().get("/ping").send().expect(200);
    assert!(ping.header("x-my-id").is_some_and(|id| !id.is_empty()), "{ping:?}");
}

#[track_caller]
fn count_of(page: &str, metric: &str) -> u64 {
    let value = page.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {metric} in {page}"))
}

#[test]
fn metrics_at_the_apis_port_count_what_ran() {
    let options = options("CONFIG_whisk_metrics_prometheusEnabled", "true");
    let Some(server) = shared::own_server("prometheus_enabled", &options) else { return };
    let tenant = server.tenant(0);
    tenant.create("a", &action::nodejs(action::ECHO));
    // An invoker may have run test actions before.
    let runs = || count_of(&server.invoker_metrics(), "oxwhisk_invoker_run_seconds_count");
    let before = runs();
    tenant.call_for_result("a", &json!({})).expect(200);
    assert_eq!(runs(), before + 1);
    let page = || {
        let answer = server.api().get("/metrics").send().expect(200);
        let content_type = answer.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
        answer.text()
    };
    let text = page();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in ["oxwhisk_controller_activations_total{kind=\"blocking\"} 1", "oxwhisk_bus_available 1"] {
        assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
    }
    // Those by action are made behind the answer, by who runs it.
    let by_action = format!("openwhisk_action_activations_total{{namespace=\"{}\"", tenant.namespace());
    wait::until("the action's own metrics", || {
        let page = server.invoker_metrics();
        if page.contains(&by_action) { Ok(()) } else { Err(page) }
    });
}

#[test]
fn metrics_are_not_served_where_they_are_switched_off() {
    let options = options("CONFIG_whisk_metrics_prometheusEnabled", "false");
    let Some(server) = shared::own_server("prometheus_enabled", &options) else { return };
    server.api().get("/metrics").send().expect(404);
}
