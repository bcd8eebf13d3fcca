//! JSON that only passes through comes out as it went in; what cannot pass is refused in clear words.

use oxwhisk_e2e::{Response, Tenant, action, shared};
use serde_json::json;

use crate::malformed;

/// Gives its arguments back without reading them.
const VERBATIM: &str = "#!/bin/sh\nprintf '%s' \"$1\"\n";
const TOO_DEEP: &str = "JSON input nested too deeply:JSON input was nested more deeply than the configured limit of maxNesting = 1000";

fn verbatim() -> Tenant {
    let tenant = shared::tenant();
    tenant.create("a", &action::native(VERBATIM));
    tenant
}

#[track_caller]
fn pass(tenant: &Tenant, payload: impl Into<Vec<u8>>) -> Response {
    let request = tenant.request("POST", "actions/a?blocking=true&result=true");
    request.header("Content-Type", "application/json").body(payload).send()
}

fn nested(levels: usize) -> String {
    let arrays = levels - 1;
    format!(r#"{{"a":{}{}}}"#, "[".repeat(arrays), "]".repeat(arrays))
}

#[test]
fn arguments_and_results_pass_unaltered() {
    let tenant = verbatim();
    for payload in [
        r#"{"a":1e400,"b":-1e400,"c":1e-400}"#,
        r#"{"a":123456789012345678901234567890,"b":18446744073709551616}"#,
        r#"{"a":0.1000000000000000055511151231257827,"b":-0,"c":1.0,"d":1E5}"#,
        r#"{"a":"\ud800","b":"\udc00x"}"#,
        r#"{"\ud800":1}"#,
        r#"{"a":"\u0000","\u0000":1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":1,"\u0061":"\/"}"#,
        "{\"a\":\"é😀\u{2028}\"}",
        r#"{"__proto__":{"x":1}}"#,
    ] {
        assert_eq!(pass(&tenant, payload).expect(200).text(), payload);
    }
}

#[test]
fn a_record_keeps_what_passed() {
    let tenant = verbatim();
    let payload = format!(r#"{{"big":123456789012345678901234567890,"deep":{}}}"#, nested(900));
    let request = tenant.request("POST", "actions/a").header("Content-Type", "application/json");
    let id = oxwhisk_e2e::tenant::activation_id(&request.body(payload.as_str()).send().expect(202));
    let stored = oxwhisk_e2e::wait::until("the record", || {
        let response = tenant.get(&format!("activations/{id}"));
        if response.status == 200 { Ok(response.text()) } else { Err(response.text()) }
    });
    assert!(stored.contains(&payload), "{stored}");
    for list in ["activations", "activations?docs=true"] {
        tenant.get(list).expect(200);
    }
}

#[test]
fn arguments_may_be_nested_a_thousand_deep() {
    let tenant = verbatim();
    for levels in [127, 128, 129, 1000] {
        let payload = nested(levels);
        assert_eq!(pass(&tenant, payload.as_str()).expect(200).text(), payload, "{levels} levels");
    }
    for levels in [1001, 100_000] {
        pass(&tenant, nested(levels)).expect_error(400, &malformed(TOO_DEEP));
    }
    // Not even closed.
    pass(&tenant, "[".repeat(500_000)).expect_error(400, &malformed(TOO_DEEP));
}

#[test]
fn what_is_no_json_is_malformed() {
    let tenant = verbatim();
    for payload in [
        &b"\xef\xbb\xbf{}"[..],
        b"{\"a\":\"\0\"}",
        b"{\"a\":\"\t\"}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"\xff\xfe{\0}\0",
        b"{} x",
        b"{'a':1}",
        b"{\"a\":NaN}",
        b"{\"a\":1,}",
        b" \n",
    ] {
        let response = pass(&tenant, payload);
        let message = response.error_message(400);
        response.check(message.starts_with(&malformed("Unexpected ")), "the reason");
    }
}

#[track_caller]
fn put(tenant: &Tenant, target: &str, body: impl Into<Vec<u8>>) -> Response {
    tenant.request("PUT", target).header("Content-Type", "application/json").body(body).send()
}

#[test]
fn stored_values_come_back_unaltered() {
    let tenant = shared::tenant();
    let exec = action::native(VERBATIM)["exec"].to_string();
    for (number, value) in [
        "123456789012345678901234567890".to_owned(),
        r#"[1e400,-1e400,1e-400,0.1000000000000000055511151231257827,-0,1.0]"#.to_owned(),
        r#"{"z":"\ud800","a":"\u00e9\/","\udc00":{"k":1,"b":2,"a":3}}"#.to_owned(),
        nested(900),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("a{number}");
        let list = format!(r#"[{{"key":"k","value":{value}}}]"#);
        let body = format!(r#"{{"exec":{exec},"parameters":{list},"annotations":{list}}}"#);
        let target = format!("actions/{name}");
        let member = format!(r#"{{"key":"k","value":{value}}}"#);
        let shows = |response: Response, times: usize| {
            let text = response.expect(200).text();
            assert_eq!(text.matches(&member).count(), times, "{text}");
        };
        shows(put(&tenant, &target, body), 2);
        shows(tenant.get(&target), 2);
        shows(tenant.get("actions?limit=1"), 1);
        let update = r#"{"annotations":[{"key":"other","value":1E5}]}"#;
        shows(put(&tenant, &format!("{target}?overwrite=true"), update), 2);
        let call = tenant.request("POST", &format!("{target}?blocking=true&result=true"));
        let call = call.header("Content-Type", "application/json").body(r#"{"\ud800":1e5}"#);
        let arguments = format!(r#"{{"k":{value},"\ud800":1e5}}"#);
        assert_eq!(call.send().expect(200).text(), arguments);
    }
}

#[test]
fn what_is_stored_may_be_nested_a_thousand_deep() {
    let tenant = shared::tenant();
    let exec = action::native(VERBATIM)["exec"].to_string();
    // The body, the list and the parameter are three levels more.
    let body =
        |levels| format!(r#"{{"exec":{exec},"parameters":[{{"key":"k","value":{}}}]}}"#, nested(levels));
    put(&tenant, "actions/a", body(997)).expect(200);
    for levels in [998, 100_000] {
        put(&tenant, "actions/b", body(levels)).expect_error(400, &malformed(TOO_DEEP));
    }
}

#[test]
fn a_large_body_is_not_sent_back() {
    let tenant = shared::tenant();
    let body = format!(r#"{{"exec":{{"kind":"nodejs:default","code":"{}",}}}}"#, "x".repeat(5_000_000));
    let request = tenant.request("PUT", "actions/a").header("Content-Type", "application/json");
    let response = request.body(body).send();
    response.error_message(400);
    response.check(response.body.len() < 4_000, "a short answer");
}

#[test]
fn sequences_are_refused_while_they_cannot_run() {
    let tenant = shared::tenant();
    let body = json!({"exec": {"kind": "sequence", "components": ["/_/a"]}});
    tenant
        .put("actions/s", &body)
        .expect_error(400, "actions of kind 'sequence' are not supported by this release");
    tenant.get("actions/s").expect(404);
}
