//! Requests as other clients, old proxies and attackers write them: each gets an answer, and one only.

use std::time::Duration;

use oxwhisk_e2e::{Roster, ServerOptions, action, shared};
use serde_json::json;

use crate::wire::{Wire, answers, exchange, head};

const ECHO: &str = "actions/a?blocking=true&result=true";

#[test]
fn what_is_no_http_is_a_bad_request() {
    let api = shared::wire_api();
    for request in [
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n folded\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: h\r\n\r\n",
        "GET /?a=\"b HTTP/1.1\r\nHost: h\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    ] {
        let answer = exchange(api, request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer:?}");
    }
}

#[test]
fn a_target_has_8_kib_at_most() {
    let api = shared::wire_api();
    let target = |length: usize| format!("/ping?{}", "x".repeat(length - "/ping?".len()));
    api.get(&target(8192)).send().expect(200);
    let message = "URI length exceeds the configured limit of 8192 characters";
    api.get(&target(8193)).send().expect_error(414, message);
}

#[test]
fn a_head_has_a_limit() {
    let api = shared::wire_api();
    let many = "X-A: b\r\n".repeat(200);
    let large = format!("X-A: {}\r\n", "b".repeat(600_000));
    for headers in [many, large] {
        let answer = exchange(api, format!("GET /ping HTTP/1.1\r\nHost: h\r\n{headers}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    }
}

#[test]
fn old_clients_are_served() {
    let answer = exchange(shared::wire_api(), "GET /ping HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\npong"), "{answer:?}");
}

#[test]
fn a_request_names_one_host_and_one_content_type() {
    let api = shared::wire_api();
    for headers in ["", "Host: a\r\nHost: b\r\n"] {
        let answer = exchange(api, format!("GET /ping HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("'host'"), "{answer:?}");
    }
    let tenant = shared::wire_tenant();
    let request = tenant.request("PUT", "actions/a").header("Content-Type", "text/plain");
    request.json(&json!({})).send().expect_error(400, "the request has more than one 'content-type' header");
}

#[test]
fn a_target_may_be_a_whole_url() {
    let answer = exchange(
        shared::wire_api(),
        "GET http://elsewhere:1/ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let request =
        |id: &str, end: &str| format!("GET /ping HTTP/1.1\r\nHost: h\r\nX-Request-ID: {id}\r\n{end}\r\n");
    let sent = [request("first", ""), request("second", ""), request("third", "Connection: close\r\n")];
    let answer = exchange(shared::wire_api(), sent.concat());
    assert_eq!(answers(&answer), 3, "{answer:?}");
    let places: Vec<_> = ["first", "second", "third"].iter().filter_map(|id| answer.find(id)).collect();
    assert!(places.len() == 3 && places.is_sorted(), "{answer:?}");
}

#[test]
fn a_client_may_wait_before_it_sends_its_body() {
    let tenant = shared::wire_tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let mut wire = Wire::open(tenant.api());
    wire.send(
        head(&tenant, "POST", ECHO)
            + "Content-Length: 7\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
    );
    wire.read_until("HTTP/1.1 100 Continue\r\n\r\n");
    wire.send(r#"{"a":1}"#);
    assert!(wire.read_to_end().ends_with(r#"{"a":1}"#));
}

#[test]
fn a_client_that_waits_is_told_at_once_that_it_may_not() {
    let mut wire = Wire::open(shared::wire_api());
    wire.send("PUT /api/v1/namespaces/_/actions/a HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n");
    let answer = wire.read_until("\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:?}");
}

#[test]
fn a_body_may_come_in_chunks() {
    let tenant = shared::wire_tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let request = head(&tenant, "POST", ECHO)
        + "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
    assert!(exchange(tenant.api(), request).ends_with(r#"{"a":1}"#));
}

/// Two readers that disagree where a body ends would disagree where the next request begins.
#[test]
fn nothing_behind_an_ambiguous_body_is_a_request() {
    let tenant = shared::wire_tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let hidden = "GET /ping HTTP/1.1\r\nHost: h\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
    ] {
        let answer = exchange(tenant.api(), head(&tenant, "POST", ECHO) + framing + "\r\n0\r\n\r\n" + hidden);
        assert_eq!(answers(&answer), 1, "{framing:?}: {answer:?}");
        assert!(!answer.contains("pong"), "{framing:?}: {answer:?}");
    }
}

#[test]
fn broken_chunks_are_malformed() {
    let tenant = shared::wire_tenant();
    let request =
        head(&tenant, "PUT", "actions/a") + "Transfer-Encoding: chunked\r\n\r\nno size\r\n{}\r\n0\r\n\r\n";
    let answer = exchange(tenant.api(), request);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("was malformed:"), "{answer:?}");
}

#[test]
fn head_is_not_get_and_strange_methods_are_not_allowed() {
    let tenant = shared::wire_tenant();
    let response = tenant.request("HEAD", "actions").send().expect(404);
    assert!(response.body.is_empty());
    for method in ["TRACE", "PROPFIND", "get"] {
        let message = tenant.request(method, "actions").send().error_message(405);
        assert!(message.starts_with("HTTP method not allowed, supported methods: "), "{message}");
    }
}

#[test]
fn a_body_too_large_is_refused_before_it_is_sent() {
    let tenant = shared::wire_tenant();
    let mut wire = Wire::open(tenant.api());
    wire.send(head(&tenant, "PUT", "actions/a") + "Content-Length: 60000000\r\n\r\n");
    let answer = wire.read_until("\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{answer:?}");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let wait = ("CONFIG_whisk_controller_activation_maxWaitForBlockingActivation", "1 second");
    let options = ServerOptions::new(Roster::generate(1)).env(wait.0, wait.1);
    let Some(server) = shared::own_server("a_body_that_does_not_come_is_not_waited_for", &options) else {
        return;
    };
    let tenant = server.tenant(0);
    let mut wire = Wire::open(server.api());
    wire.send(head(&tenant, "PUT", "actions/a") + "X-Request-ID: slow\r\nContent-Length: 1000\r\n\r\n");
    // The bytes keep the connection from being idle, which is not what this is about.
    let sender = std::thread::spawn({
        let mut slow = Wire::open(server.api());
        let head = head(&tenant, "PUT", "actions/a") + "Content-Length: 1000\r\n\r\n";
        move || {
            slow.send(head);
            while slow.send("{") {
                std::thread::sleep(Duration::from_millis(100));
            }
            slow.read_to_end()
        }
    });
    let answer = wire.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("text/plain"), "{answer:?}");
    assert!(answer.contains("x-request-id: slow\r\n"), "{answer:?}");
    assert!(answer.contains("was not able to produce a timely response to your request"), "{answer:?}");
    sender.join().expect("the server hangs up on the slow one too");
    tenant.get("actions").expect(200);
}

#[test]
fn hundreds_of_silent_connections_leave_room_for_others() {
    let tenant = shared::wire_tenant();
    let silent: Vec<Wire> = (0..400).map(|_| Wire::open(tenant.api())).collect();
    tenant.create("a", &action::nodejs(action::ECHO));
    tenant.call("a", &json!({})).expect(200);
    drop(silent);
}

/// Most clients send all of a request before they read: hanging up on one that still sends would be all it sees.
#[test]
fn a_client_that_sends_on_hears_why_it_was_refused() {
    let tenant = shared::wire_tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let stranger = || "PUT /api/v1/namespaces/_/actions/a HTTP/1.1\r\nHost: h\r\n".to_owned();
    for (head, length, status) in [
        (head(&tenant, "PUT", "actions/a"), 60_000_000, "413"),
        (head(&tenant, "POST", ECHO), 20_000_000, "413"),
        (stranger(), 20_000_000, "401"),
    ] {
        let mut wire = Wire::open(tenant.api());
        wire.send(format!("{head}Content-Length: {length}\r\n\r\n"));
        let all_sent = wire.send("x".repeat(length));
        let answer = wire.read_until("\r\n\r\n");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
        assert!(all_sent, "the server hung up inside the body, after {answer:?}");
    }
}

/// A client that may think so would send its next request into a connection that ends.
#[test]
fn a_connection_that_ends_with_a_refusal_says_so() {
    let tenant = shared::wire_tenant();
    let mut wire = Wire::open(tenant.api());
    wire.send(head(&tenant, "PUT", "actions/a") + "Content-Length: 60000000\r\n\r\nx");
    let answer = wire.read_until("\r\n\r\n");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer:?}");
    // A body that was read leaves the connection as it was.
    let mut wire = Wire::open(tenant.api());
    wire.send(head(&tenant, "PUT", "actions/a") + "Content-Length: 2\r\n\r\n{}");
    let answer = wire.read_until("\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("connection: close"), "{answer:?}");
}

#[test]
fn a_short_body_that_nobody_reads_leaves_the_connection_usable() {
    let mut wire = Wire::open(shared::wire_api());
    wire.send("PUT /api/v1/namespaces/_/actions/a HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n");
    // So that the server has nothing but the head when it finds that it need not read on.
    std::thread::sleep(Duration::from_millis(50));
    wire.send("x".repeat(30_000) + "GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = wire.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("pong"), "{answer:?}");
}

/// The time that a server gives itself for an answer is not for the upload: a slow line may take minutes.
#[test]
fn a_large_body_may_come_slowly() {
    let wait = ("CONFIG_whisk_controller_activation_maxWaitForBlockingActivation", "1 second");
    let options = ServerOptions::new(Roster::generate(1)).env(wait.0, wait.1);
    let Some(server) = shared::own_server("a_large_body_may_come_slowly", &options) else { return };
    let tenant = server.tenant(0);
    let mut wire = Wire::open(server.api());
    let part = "x".repeat(8 * 1024);
    // Longer than the second and the margin that the server has for others.
    let parts = 80;
    let [before, after] = [r#"{"exec":{"kind":"nodejs:default","code":""#, r#""}}"#];
    let length = before.len() + parts * part.len() + after.len();
    wire.send(head(&tenant, "PUT", "actions/a") + &format!("Content-Length: {length}\r\n\r\n{before}"));
    for _ in 0..parts {
        wire.send(&part);
        std::thread::sleep(Duration::from_millis(100));
    }
    wire.send(after);
    let answer = wire.read_until("\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}
