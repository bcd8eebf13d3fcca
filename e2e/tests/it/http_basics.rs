//! Checklist lines 1 to 32: what holds for every request.

use oxwhisk_e2e::{Response, action, shared};
use serde_json::json;

use crate::{malformed, malformed_query};

const NAMESPACES: &str = "/api/v1/namespaces";
const REALM: &str = r#"Basic realm="OpenWhisk secure realm""#;
const NO_CREDENTIALS: &str = "The resource requires authentication, which was not supplied with the request";
const WRONG_CREDENTIALS: &str = "The supplied authentication is invalid";
const NOTHING_MATCHED: &str = "The requested resource could not be found.";

#[track_caller]
fn expect_cors(response: &Response) {
    response.expect_header("access-control-allow-origin", "*");
    response.expect_header(
        "access-control-allow-headers",
        "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
    );
    response.expect_header("access-control-allow-methods", "GET, DELETE, POST, PUT, HEAD");
}

#[test]
fn c001_system_info_needs_no_key() {
    let response = shared::api().get("/").send().expect(200);
    response.expect_header("content-type", "application/json");
    let info = response.json();
    assert_eq!(info["description"], "OpenWhisk");
    assert_eq!(info["api_paths"], json!(["/api/v1"]));
    for member in ["support", "limits", "runtimes"] {
        response.check(info[member].is_object(), member);
    }
}

#[test]
fn c002_system_info_tells_limits_as_numbers_and_sizes_in_bytes() {
    let limits = shared::api().get("/").send().expect(200).json()["limits"].take();
    assert!(limits["actions_per_minute"].is_u64(), "{limits}");
    assert_eq!(limits["max_action_memory"], json!(512 * 1024 * 1024), "{limits}");
    let members = [
        "triggers_per_minute",
        "concurrent_actions",
        "sequence_length",
        "default_min_action_duration",
        "default_max_action_duration",
        "default_min_action_memory",
        "default_max_action_memory",
        "default_min_action_logs",
        "default_max_action_logs",
        "min_action_duration",
        "max_action_duration",
        "min_action_memory",
        "min_action_logs",
        "max_action_logs",
    ];
    for member in members {
        assert!(limits[member].is_u64(), "{member} in {limits}");
    }
}

#[test]
fn c003_every_runtime_has_all_its_members() {
    let info = shared::api().get("/").send().expect(200).json();
    let kinds = info["runtimes"]["nodejs"].as_array().expect("nodejs runtimes");
    assert!(!kinds.is_empty());
    for kind in kinds {
        assert!(kind["kind"].is_string() && kind["image"].is_string(), "{kind}");
        for flag in ["deprecated", "default", "attached", "requireMain"] {
            assert!(kind[flag].is_boolean(), "{flag} of {kind}");
        }
    }
    assert_eq!(kinds.iter().filter(|kind| kind["default"] == true).count(), 1, "one default of {kinds:?}");
}

#[test]
fn c004_api_info_needs_no_key() {
    let info = shared::api().get("/api/v1").send().expect(200).json();
    assert_eq!(info["description"], "OpenWhisk API");
    assert_eq!((&info["api_version"], &info["api_version_path"]), (&json!("1.0.0"), &json!("v1")));
    assert!(info["build"].is_string() && info["buildno"].is_string(), "{info}");
    assert_eq!(info["swagger_paths"], json!({"ui": "/docs", "api-docs": "/api-docs"}));
}

#[test]
fn c005_api_info_with_a_slash_is_the_same() {
    let without = shared::api().get("/api/v1").send().expect(200).json();
    assert_eq!(shared::api().get("/api/v1/").send().expect(200).json(), without);
}

#[test]
fn c006_ping_answers_pong() {
    let response = shared::api().get("/ping").send().expect(200);
    assert_eq!(response.text(), "pong");
    response.check(response.header("content-type").is_some_and(|t| t.starts_with("text/plain")), "is text");
}

#[test]
fn c007_api_description_is_swagger_2() {
    let response = shared::api().get("/api/v1/api-docs").send().expect(200);
    assert_eq!(response.json()["swagger"], "2.0");
}

#[test]
fn c008_docs_redirect_to_their_page() {
    let response = shared::api().get("/api/v1/docs").send().expect(308);
    let location = response.header("location").unwrap_or_default();
    response.check(location.ends_with("docs/index.html?url=/api/v1/api-docs"), "location");
}

#[test]
fn c009_without_a_key_the_realm_is_named() {
    let response = shared::api().get(NAMESPACES).send().expect_error(401, NO_CREDENTIALS);
    response.expect_header("www-authenticate", REALM);
}

#[test]
fn c010_a_wrong_key_is_invalid() {
    let tenant = shared::tenant();
    let credentials = format!("{}:{}", tenant.user().uuid, "x".repeat(64));
    let response = shared::api().get(NAMESPACES).basic(&credentials).send();
    response.expect_error(401, WRONG_CREDENTIALS).expect_header("www-authenticate", REALM);
}

#[test]
fn c011_a_short_key_is_just_as_invalid() {
    let tenant = shared::tenant();
    let credentials = format!("{}:{}", tenant.user().uuid, &tenant.user().key[..63]);
    shared::api().get(NAMESPACES).basic(&credentials).send().expect_error(401, WRONG_CREDENTIALS);
}

#[test]
fn c012_a_user_that_is_no_uuid_is_just_as_invalid() {
    let tenant = shared::tenant();
    let credentials = format!("nobody:{}", tenant.user().key);
    shared::api().get(NAMESPACES).basic(&credentials).send().expect_error(401, WRONG_CREDENTIALS);
}

#[test]
fn c013_an_unknown_api_path_tells_only_users_that_it_is_unknown() {
    shared::api().get("/api/v1/nosuch").send().expect_error(401, NO_CREDENTIALS);
    let tenant = shared::tenant();
    let response = shared::api().get("/api/v1/nosuch").auth(tenant.user()).send();
    response.expect_error(404, NOTHING_MATCHED);
}

#[test]
fn c014_a_path_outside_the_api_is_not_found() {
    shared::api().get("/nosuch").send().expect_error(404, NOTHING_MATCHED);
}

#[test]
fn c015_every_answer_has_a_request_id() {
    let tenant = shared::tenant();
    let answers = [
        shared::api().get("/").send(),
        shared::api().get("/ping").send(),
        shared::api().get("/nosuch").send(),
        shared::api().get(NAMESPACES).send(),
        shared::api().request("OPTIONS", NAMESPACES).send(),
        tenant.get("actions"),
        tenant.get("actions/none"),
    ];
    for answer in answers {
        let id = answer.header("x-request-id").unwrap_or_default();
        answer.check(id.len() == 32 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "request id");
    }
}

#[test]
fn c016_the_callers_request_id_comes_back() {
    let tenant = shared::tenant();
    let response = tenant.request("GET", "actions/none").header("X-Request-ID", "abc123").send();
    response.expect_header("x-request-id", "abc123");
    assert_eq!(response.error_message(404), "The requested resource does not exist.");
    assert_eq!(response.json()["code"], "abc123");
}

#[test]
fn c017_a_callers_system_id_is_replaced() {
    let response = shared::api().get(NAMESPACES).header("X-Request-ID", "sid_x").send().expect(401);
    let id = response.header("x-request-id").unwrap_or_default();
    response.check(id.len() == 32 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "request id");
}

#[test]
fn c018_preflight_needs_no_key() {
    let response = shared::api().request("OPTIONS", "/api/v1/namespaces/_/actions/x").send().expect(200);
    assert_eq!(response.text(), "OK");
    response.check(response.header("content-type").is_some_and(|t| t.starts_with("text/plain")), "is text");
    expect_cors(&response);
}

#[test]
fn c019_preflight_works_on_unknown_paths() {
    let response = shared::api().request("OPTIONS", "/api/v1/whatever").send().expect(200);
    expect_cors(&response);
}

#[test]
fn c020_answers_may_be_read_by_any_origin() {
    expect_cors(&shared::tenant().get("actions").expect(200));
}

#[test]
fn c021_handled_errors_may_be_read_by_any_origin() {
    let response = shared::tenant().get("actions/none");
    expect_cors(&response.expect_error(404, "The requested resource does not exist."));
}

#[test]
fn c022_rejections_have_no_cors_headers() {
    let response = shared::api().get(NAMESPACES).send().expect(401);
    let cors = response.headers.iter().find(|(name, _)| name.to_lowercase().starts_with("access-control"));
    response.check(cors.is_none(), "a rejection must not have CORS headers");
}

#[test]
fn c023_an_unsupported_method_on_a_collection_is_not_found() {
    let response = shared::tenant().put("actions", &action::nodejs(action::ECHO));
    response.expect_error(404, NOTHING_MATCHED);
}

#[test]
fn c024_patch_is_not_found() {
    let tenant = shared::tenant();
    tenant.request("PATCH", "actions/x").json(&json!({})).send().expect_error(404, NOTHING_MATCHED);
}

#[test]
fn c025_a_package_cannot_be_invoked() {
    shared::tenant().post("packages/x", &json!({})).expect_error(404, NOTHING_MATCHED);
}

#[test]
fn c026_a_body_must_be_json() {
    let tenant = shared::tenant();
    let request = tenant.request("PUT", "actions/x").header("Content-Type", "text/plain; charset=UTF-8");
    request.body("hello").send().expect_error(
        415,
        "The request's Content-Type [text/plain; charset=UTF-8] is not supported. Expected:\napplication/json",
    );
}

#[test]
fn c027_a_body_that_is_no_json_is_malformed() {
    let tenant = shared::tenant();
    let request = tenant.request("PUT", "actions/x").header("Content-Type", "application/json");
    let response = request.body("not json").send();
    let message = response.error_message(400);
    response.check(message.starts_with(&malformed("")), "message");
}

#[test]
fn c028_an_empty_body_is_malformed() {
    let tenant = shared::tenant();
    let request = tenant.request("PUT", "actions/x").header("Content-Type", "application/json");
    let response = request.body("").send();
    let message = response.error_message(400);
    response.check(message.starts_with(&malformed("Unexpected end-of-input")), "message");
}

#[test]
fn c029_list_limit_not_an_integer() {
    let response = shared::tenant().get("actions?limit=abc");
    response.expect_error(400, &malformed_query("limit", "The value 'abc' is not an integer for actions."));
}

#[test]
fn c030_count_not_a_boolean() {
    let response = shared::tenant().get("actions?count=maybe");
    response.expect_error(400, &malformed_query("count", "'maybe' is not a valid Boolean value"));
}

#[test]
fn c031_booleans_have_synonyms() {
    let tenant = shared::tenant();
    for yes in ["true", "yes", "on", "1", "YES"] {
        let response = tenant.get(&format!("actions?count={yes}")).expect(200);
        assert_eq!(response.json(), json!({"actions": 0}), "count={yes}");
    }
    for no in ["false", "no", "off", "0", "Off"] {
        let response = tenant.get(&format!("actions?count={no}")).expect(200);
        assert_eq!(response.json(), json!([]), "count={no}");
    }
}

#[test]
fn c032_only_json_can_be_accepted() {
    let tenant = shared::tenant();
    let response = tenant.request("GET", "actions").header("Accept", "text/html").send();
    response
        .expect_error(406, "Resource representation is only available with these types:\napplication/json");
}
