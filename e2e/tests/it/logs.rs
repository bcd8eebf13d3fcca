//! Checklist lines 165 to 169: the logs of a record.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::{Tenant, action, shared, wait};
use serde_json::{Value, json};

/// The logs of the stored record of one invocation.
#[track_caller]
fn logs_of(tenant: &Tenant, body: &Value) -> Vec<String> {
    tenant.create("a", body);
    let record = tenant.call_and_get_record("a", &json!({}));
    let lines = record["logs"].as_array().expect("logs").iter();
    lines.map(|line| line.as_str().expect("a line").to_owned()).collect()
}

/// Splits a line into stream and text after checking the timestamp and its padding to 30 characters.
#[track_caller]
fn parts(line: &str) -> (&str, &str) {
    let (time, rest) = line.split_at_checked(30).unwrap_or_else(|| panic!("'{line}' is too short"));
    let time = time.trim_end();
    assert!(time.len() >= 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "time of '{line}'");
    let rest = rest.strip_prefix(' ').unwrap_or_else(|| panic!("'{line}' has no space after its time"));
    rest.split_once(": ").unwrap_or_else(|| panic!("'{line}' has no stream"))
}

#[test]
fn c165_a_line_on_stdout() {
    let logs = logs_of(&shared::tenant(), &action::nodejs("function main() { console.log('text') }"));
    assert_eq!(logs.iter().map(|line| parts(line)).collect::<Vec<_>>(), [("stdout", "text")]);
}

#[test]
fn c166_a_line_on_stderr() {
    let logs = logs_of(&shared::tenant(), &action::nodejs("function main() { console.error('text') }"));
    assert_eq!(logs.iter().map(|line| parts(line)).collect::<Vec<_>>(), [("stderr", "text")]);
}

#[test]
fn c167_logs_above_their_limit_are_cut() {
    let code = "function main() { for (let i = 0; i < 2048; i++) console.log('x'.repeat(1023)) }";
    let body = action::with(action::nodejs(code), "limits", json!({"logs": 1}));
    let logs = logs_of(&shared::tenant(), &body);
    let (last, kept) = logs.split_last().expect("some logs");
    let message = "Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes.";
    assert_eq!(parts(last), ("stderr", message));
    assert!(kept.iter().all(|line| parts(line).0 == "stdout"));
    // Whether timestamps count is the server's affair; the texts alone are at most the limit and not far below.
    let bytes: usize = kept.iter().map(|line| parts(line).1.len() + 1).sum();
    assert!((900_000..=1_048_576).contains(&bytes), "{bytes} bytes kept");
}

/// With its times and stream names such a record is several times as large as the log limit.
#[test]
fn many_short_lines_up_to_the_limit_are_kept() {
    let code = "function main() { process.stdout.write('a line of the log\\n'.repeat(550_000)); return {} }";
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(code));
    let id = activation_id(&tenant.call("a", &json!({})));
    // So many may come after the answer where a daemon tells them, and then the record has none before it has all.
    let logs = wait::until("the record has logs", || {
        let record = tenant.record(&id);
        let logs = record["logs"].as_array().expect("logs").clone();
        if logs.is_empty() { Err("it has none".to_owned()) } else { Ok(logs) }
    });
    assert_eq!(logs.len(), 550_000);
    let lines = logs.iter().map(|line| parts(line.as_str().expect("a line")));
    assert!(lines.into_iter().all(|line| line == ("stdout", "a line of the log")));
}

#[test]
fn c168_without_a_log_limit_there_are_no_logs() {
    let code = "function main() { console.log('text') }";
    let body = action::with(action::nodejs(code), "limits", json!({"logs": 0}));
    assert_eq!(logs_of(&shared::tenant(), &body), Vec::<String>::new());
}

#[test]
fn c169_sentinels_never_show() {
    let code = "function main() { process.stdout.write('no newline'); console.error('e') }";
    let tenant = shared::tenant();
    let logs = logs_of(&tenant, &action::nodejs(code));
    let mut found: Vec<_> = logs.iter().map(|line| parts(line)).collect();
    found.sort_unstable();
    assert_eq!(found, [("stderr", "e"), ("stdout", "no newline")]);
    // The second run starts with clean logs.
    let again = tenant.call_and_get_record("a", &json!({}));
    assert_eq!(again["logs"].as_array().map(Vec::len), Some(2), "{again}");
}

#[test]
fn the_order_of_lines_is_kept() {
    let code = "function main() { for (let i = 0; i < 500; i++) console.log(String(i)) }";
    let logs = logs_of(&shared::tenant(), &action::nodejs(code));
    let texts: Vec<_> = logs.iter().map(|line| parts(line).1.to_owned()).collect();
    assert_eq!(texts, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn python_and_native_actions_have_logs() {
    let tenant = shared::tenant();
    let python =
        "import sys\ndef main(args):\n    print('out')\n    print('err', file=sys.stderr)\n    return {}\n";
    let mut found: Vec<_> = logs_of(&tenant, &action::python(python));
    found.sort_by_key(|line| parts(line).0.to_owned());
    assert_eq!(
        found.iter().map(|line| parts(line)).collect::<Vec<_>>(),
        [("stderr", "err"), ("stdout", "out")]
    );
    let native = logs_of(&shared::tenant(), &action::native("#!/bin/sh\necho out\necho '{}'\n"));
    assert_eq!(native.iter().map(|line| parts(line)).collect::<Vec<_>>(), [("stdout", "out")]);
}
