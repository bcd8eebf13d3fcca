//! The binary without a server. What it does with one is tested end to end, in `e2e`.

use std::process::{Command, Output};

fn wskadmin(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wskadmin")).env_clear().args(arguments).output().expect("it runs")
}

#[test]
fn help_goes_to_stdout_and_wrong_use_to_stderr() {
    for arguments in [&["--help"][..], &["user", "create", "--help"], &["--version"]] {
        let output = wskadmin(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    for arguments in
        [&[][..], &["user"], &["nonsense"], &["user", "create"], &["--endpoint", "nowhere", "queue", "depth"]]
    {
        let output = wskadmin(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn what_needs_no_server_asks_none() {
    let generated = wskadmin(&["user", "create", "guest", "--genonly"]);
    assert_eq!(generated.status.code(), Some(0), "{generated:?}");
    // A UUID, a colon, 64 characters and a newline.
    assert_eq!(generated.stdout.len(), 36 + 1 + 64 + 1, "{generated:?}");
    let short = wskadmin(&["user", "create", "me"]);
    assert_eq!(
        (short.status.code(), &*short.stdout),
        (Some(2), &b"Subject name must be at least 5 characters\n"[..])
    );
}

#[test]
fn without_a_server_it_says_how_to_name_one() {
    let output = wskadmin(&["user", "get", "guest"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = "HOME is not set, so a server must be named (--endpoint or --data-dir)\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), text);
}

#[test]
fn plain_text_to_another_machine_must_be_admitted() {
    let output = wskadmin(&["--endpoint", "192.0.2.1:1", "queue", "depth"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("Exception: plain text is refused on 192.0.2.1:1"), "{text}");
}
