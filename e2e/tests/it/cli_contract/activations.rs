//! Lists, polls, and the parts of a record.

use oxwhisk_e2e::{Tenant, action, shared, wait};
use serde_json::{Value, json};

use super::{as_cli, exit_code, shapes};

/// `wsk activation list`, and the requests behind `--last` and `poll`. Options that are not given are not sent, and
/// those that are come in the order of their names.
#[track_caller]
fn list(tenant: &Tenant, query: &str) -> Vec<Value> {
    let target = format!("activations?{query}");
    let list = as_cli(tenant, "GET", &target, None).send().expect(200).array();
    list.into_iter().map(shapes::activation).collect()
}

#[track_caller]
fn get(tenant: &Tenant, part: &str) -> Value {
    as_cli(tenant, "GET", &format!("activations/{part}"), None).send().expect(200).json()
}

#[test]
fn activation_list_has_what_its_table_shows() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let cold = tenant.call("a", &json!({})).expect(200).json()["activationId"].take();
    let warm = tenant.call("a", &json!({})).expect(200).json()["activationId"].take();
    let list = wait::until("both records in the list", || {
        let list = list(&tenant, "limit=30&skip=0");
        let listed = |id: &Value| list.iter().any(|entry| entry["activationId"] == *id);
        if listed(&cold) && listed(&warm) { Ok(list) } else { Err(format!("{list:?}")) }
    });
    for (id, is_cold) in [(cold, true), (warm, false)] {
        let entry = list.iter().find(|entry| entry["activationId"] == id).expect("the activation");
        assert_eq!(action::annotation(entry, "initTime").is_some(), is_cold, "{entry}");
        assert_eq!(entry["statusCode"], 0, "{entry}");
        for member in ["start", "end", "duration"] {
            assert!(entry[member].is_u64(), "{entry}");
        }
        for member in ["namespace", "name", "version"] {
            assert!(entry[member].is_string(), "{entry}");
        }
    }
}

#[test]
fn activation_list_is_filtered() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let record = tenant.call_and_get_record("a", &json!({}));
    let start = record["start"].as_u64().expect("a start");
    wait::until("the record in the list", || {
        if list(&tenant, "limit=30&skip=0").is_empty() { Err("no records".to_owned()) } else { Ok(()) }
    });
    let (before, after) = (start - 1, start + 1);
    for (query, found) in [
        ("limit=30&name=a&skip=0".to_owned(), 1),
        ("limit=30&name=other&skip=0".to_owned(), 0),
        ("limit=30&name=package%2Fa&skip=0".to_owned(), 0),
        ("limit=30&skip=1".to_owned(), 0),
        (format!("limit=30&since={start}&skip=0&upto={start}"), 1),
        (format!("limit=30&since={after}&skip=0"), 0),
        (format!("limit=30&skip=0&upto={before}"), 0),
        (format!("docs=true&limit=30&name=a&since={start}&skip=0&upto={start}"), 1),
    ] {
        assert_eq!(list(&tenant, &query).len(), found, "{query}");
    }
    let refused = as_cli(&tenant, "GET", "activations?limit=201&skip=0", None).send();
    assert_eq!(exit_code(&refused), 144);
}

#[test]
fn activation_poll_and_last() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs("function main() { console.log('polled') }"));
    // Where a poll begins: with the last activation, or at no time when there is none.
    assert_eq!(list(&tenant, "docs=true&limit=1&skip=0"), Vec::<Value>::new());
    assert_eq!(list(&tenant, "docs=true&limit=0&skip=0"), Vec::<Value>::new());
    let first = tenant.call_and_get_record("a", &json!({}));
    let since = first["start"].as_u64().expect("a start");
    let id = first["activationId"].clone();
    for name in ["", "&name=a"] {
        let polled = wait::until("the record in a poll", || {
            let list = list(&tenant, &format!("docs=true&limit=0{name}&since={since}&skip=0"));
            list.into_iter().find(|entry| entry["activationId"] == id).ok_or_else(|| "not listed".to_owned())
        });
        assert!(polled["logs"][0].as_str().is_some_and(|line| line.ends_with("polled")), "{polled}");
    }
    let last = list(&tenant, "limit=1&skip=0");
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["activationId"], id);
}

/// Reading a failed activation is no failure.
#[test]
fn activation_get_logs_and_result() {
    let tenant = shared::tenant();
    let code = "function main(a) { console.log('out'); console.error('err'); return a }";
    tenant.create("a", &action::nodejs(code));
    for (sent, status) in [(json!({"n": 1}), "success"), (json!({"error": "x"}), "application error")] {
        let answer = tenant.call("a", &sent).json();
        let id = answer["activationId"].as_str().expect("an id");
        tenant.record(id);
        let record = shapes::activation(get(&tenant, id));
        assert_eq!((&record["response"]["status"], &record["response"]["result"]), (&json!(status), &sent));
        let logs = stripped_lines(&get(&tenant, &format!("{id}/logs")));
        assert_eq!(logs, ["out", "err"], "{record}");
        let result = get(&tenant, &format!("{id}/result"));
        shapes::response(&result);
        assert_eq!(result["result"], sent);
    }
}

/// What `--strip` leaves of the lines: it takes a time with a fraction of a second off, then the stream.
#[track_caller]
fn stripped_lines(logs: &Value) -> Vec<String> {
    let lines = logs["logs"].as_array().expect("lines").iter();
    let mut stripped: Vec<_> = lines
        .map(|line| {
            let line = line.as_str().expect("text");
            let (time, rest) = line.split_once('Z').unwrap_or_else(|| panic!("no time in '{line}'"));
            let (second, fraction) =
                time.split_once('.').unwrap_or_else(|| panic!("no fraction in '{line}'"));
            assert_eq!(second.len(), "2026-01-01T00:00:00".len(), "'{line}'");
            assert!(fraction.bytes().all(|byte| byte.is_ascii_digit()), "'{line}'");
            let rest = rest.trim_start_matches(' ');
            let text = rest.strip_prefix("stdout: ").or_else(|| rest.strip_prefix("stderr: "));
            text.unwrap_or_else(|| panic!("no stream in '{line}'")).to_owned()
        })
        .collect();
    stripped.sort_by_key(|text| text != "out");
    stripped
}

#[test]
fn c304_activations_that_are_not_there() {
    let tenant = shared::tenant();
    let unknown = "0".repeat(32);
    for part in ["", "/logs", "/result"] {
        let missing = as_cli(&tenant, "GET", &format!("activations/{unknown}{part}"), None).send();
        assert_eq!(exit_code(&missing), 148, "{part}");
        assert_eq!(missing.error_message(404), "The requested resource does not exist.");
        let malformed = as_cli(&tenant, "GET", &format!("activations/abc{part}"), None).send();
        assert_eq!(exit_code(&malformed), 144, "{part}");
    }
}
