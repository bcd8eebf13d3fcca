//! Executables whose protocol only their first activation tells.

use std::fs;

use serde_json::json;

use crate::harness::{Proxy, SENTINEL, error, has, ok};

/// Speaks of descriptor 3, so that the first run decides, but uses it for nothing.
const UNDECIDED: &str = "#!/bin/sh\n# nothing is written >&3\n";

#[test]
fn a_program_that_uses_its_argument_is_a_skeleton() {
    // `echo` as ELF: prints its argument and never reads stdin.
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&fs::read("/bin/echo").unwrap()), ok());
    for n in 0..3 {
        assert_eq!(proxy.run(&json!({ "n": n })), (200, json!({ "n": n })));
    }
    assert_eq!(proxy.stdout(), SENTINEL.repeat(3));
}

#[test]
fn a_program_that_reads_to_the_end_is_a_skeleton() {
    if !has("/proc/self/syscall") {
        return;
    }
    // `cat` would take the argument for a file name; `sort` without one, as a value too long for an argument, reads
    // stdin to its end before it prints.
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&fs::read("/usr/bin/sort").unwrap()), ok());
    let value = json!({ "text": "x".repeat(200_000) });
    for _ in 0..2 {
        assert_eq!(proxy.run(&value), (200, value.clone()));
    }
}

#[test]
fn a_script_that_answers_on_descriptor_3_is_kept() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\nprintf held\nwhile read -r line; do echo \"{\\\"pid\\\":$$}\" >&3; done\n");
    let first = proxy.run(&json!({}));
    assert_eq!(proxy.stdout(), format!("held\n{SENTINEL}"), "what looked like a last line is log");
    assert_eq!(proxy.run(&json!({})), first);
}

#[test]
fn a_skeleton_that_mentions_descriptor_3_is_told_by_its_exit() {
    let mut proxy = Proxy::start();
    proxy.init_script(&format!("{UNDECIDED}echo log\necho \"$1\"\n"));
    for _ in 0..2 {
        assert_eq!(proxy.run(&json!({"a": 1})), (200, json!({"a": 1})));
    }
    assert_eq!(proxy.stdout(), format!("log\n{SENTINEL}").repeat(2));
}

#[test]
fn a_skeleton_that_was_misled_says_how_to_declare_it() {
    let mut proxy = Proxy::start();
    proxy.init_script(&format!("{UNDECIDED}read -r line\nprintf '%s\\n' \"$line\"\n"));
    let (status, answer) = proxy.run(&json!({"a": 1}));
    assert_eq!(status, 502);
    assert!(answer["error"].as_str().unwrap().contains("OW_ACTION_PROTOCOL=skeleton"), "{answer}");
    assert_eq!(proxy.run(&json!({"a": 1})), (200, json!({"a": 1})), "now it is known");
}

#[test]
fn a_word_in_the_init_environment_decides() {
    let mut proxy = Proxy::start();
    let script = format!("{UNDECIDED}read -r line\nprintf '%s\\n' \"$line\"\n");
    let env = json!({"OW_ACTION_PROTOCOL": "skeleton"});
    assert_eq!(proxy.init_value(&json!({"code": script, "env": env})), ok());
    assert_eq!(proxy.run(&json!({"a": 1})), (200, json!({"a": 1})));
}

#[test]
fn a_wrong_word_is_refused() {
    let mut proxy = Proxy::start();
    let answer = proxy.init_value(&json!({"code": UNDECIDED, "env": {"OW_ACTION_PROTOCOL": "both"}}));
    let reason = "exec.protocol or OW_ACTION_PROTOCOL is \"both\", expected auto, actionloop or skeleton";
    assert_eq!(answer, error(502, &format!("cannot start action: {reason}")));
}

#[test]
fn an_exit_without_a_word_is_an_exit() {
    let mut proxy = Proxy::start();
    proxy.init_script(&format!("{UNDECIDED}exit 1\n"));
    assert_eq!(proxy.run(&json!({})), error(400, "command exited"));
}

#[test]
fn a_program_that_cannot_be_executed_says_why() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(b"\x7fELF but no program"), ok());
    let (status, answer) = proxy.run(&json!({}));
    assert_eq!(status, 502);
    assert!(
        answer["error"].as_str().unwrap().starts_with("cannot start action: Exec format error"),
        "{answer}"
    );
}
