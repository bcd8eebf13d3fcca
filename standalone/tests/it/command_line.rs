//! What the command line answers: help, refusals, exit codes.

use oxwhisk_settings::Exit;
use oxwhisk_standalone::cli::banner;

use crate::{file, printed, refused, start};

#[test]
fn help_and_version_are_printed() {
    let help = printed(&["--help"], &[]);
    for flag in
        ["--port", "--data-dir", "--manifest", "--users", "--ready-file", "--dump-config", "Examples:"]
    {
        assert!(help.contains(flag), "{flag} is not in {help}");
    }
    assert!(printed(&["--version"], &[]).starts_with("oxwhisk "));
    assert_eq!(printed(&["-h"], &[]), help);
}

#[test]
fn a_wrong_flag_is_one_line_with_a_suggestion() {
    let refusal = refused(&["--prot", "1"], &[]);
    assert_eq!(refusal.exit, Exit::Usage);
    let line = "unexpected argument '--prot' found, did you mean '--port'? (oxwhisk --help)\n";
    assert_eq!(refusal.to_string(), line);
    let refusal = refused(&["--port"], &[]);
    assert_eq!((refusal.exit, refusal.to_string().lines().count()), (Exit::Usage, 1));
    assert!(refusal.to_string().contains("--port <PORT>"), "{refusal}");
}

#[test]
fn a_wrong_value_of_a_flag_is_a_wrong_use_and_any_other_a_wrong_configuration() {
    let refusal = refused(&["--port", "http"], &[]);
    assert_eq!(refusal.exit.code(), 64);
    assert_eq!(refusal.to_string(), "flag --port: 'http' is not a whole number from 0 to 65535\n");

    let refusal = refused(&["--port", "http"], &[("LIMITS_ACTIONS_INVOKES_PERMINUTE", "many")]);
    assert_eq!(refusal.exit.code(), 78);
    let lines: Vec<String> = refusal.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("variable LIMITS_ACTIONS_INVOKES_PERMINUTE: 'many'")));
}

#[test]
fn a_broken_manifest_is_one_line_that_names_the_file() {
    let several = r#"{"runtimes": {"nodejs": [{"kind": "nodejs:18", "image": {"name": "a"}},
        {"kind": "nodejs:20", "image": {"name": "a"}}]}}"#;
    for (text, reason) in [("{ not json", "is not valid"), (several, "'nodejs' has several kinds")] {
        let (_dir, path) = file("manifest.json", text);
        let refusal = refused(&["-m", &path], &[]).to_string();
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        assert!(refusal.contains(&path) && refusal.contains(reason), "{refusal}");
    }
    let refusal = refused(&["-m", "/no/such.json"], &[]).to_string();
    assert!(refusal.contains("/no/such.json") && refusal.contains("cannot be read"), "{refusal}");
}

#[test]
fn a_broken_users_file_is_named_with_its_entry() {
    let (_dir, path) = file("users.json", r#"[{"subject": "me"}]"#);
    let refusal = refused(&["--users", &path], &[]).to_string();
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
    assert!(refusal.contains(&path) && refusal.contains("entry 1: missing field"), "{refusal}");
}

#[test]
fn an_unknown_key_of_the_file_is_named() {
    let (_dir, path) = file("oxwhisk.toml", "no_such_key = 1\n");
    let refusal = refused(&["--config-file", &path], &[]);
    assert_eq!(refusal.to_string(), format!("file '{path}': unknown key no_such_key\n"));
    assert_eq!(refusal.exit, Exit::Config);
}

#[test]
fn the_dump_shows_everything_but_secrets_and_can_be_given_back() {
    let environment = [("CONFIG_whisk_memory_max", "2g"), ("CONFIG_whisk_users_guest", "")];
    let dump = printed(&["--dump-config", "-p", "8080"], &environment);
    for line in [
        "oxwhisk.port = 8080  # flag --port",
        "whisk.memory.max = \"2 GB\"  # environment variable CONFIG_whisk_memory_max",
        "whisk.time-limit.std = \"1 minute\"  # default",
        "whisk.users.guest = \"<redacted>\"  # default",
        "oxwhisk.data-dir = \"/home/me/.openwhisk/standalone/server-8080\"  # default",
    ] {
        assert!(dump.lines().any(|found| found == line), "'{line}' is not in\n{dump}");
    }
    assert!(!dump.contains("123zO3"), "{dump}");

    let without_users: String =
        dump.lines().filter(|line| !line.contains("whisk.users.")).map(|line| format!("{line}\n")).collect();
    let (_dir, path) = file("dump.toml", &without_users);
    let again = start(&["-c", &path], &[]).config;
    assert_eq!((again.listen.port(), again.controller.limits.memory.max.as_mb()), (8080, 2048));
}

#[test]
fn the_banner_tells_published_keys_only() {
    let text = banner("http://127.0.0.1:3233", &start(&[], &[]).config);
    assert!(text.contains("wsk property set --apihost http://127.0.0.1:3233 --auth 23bc46b1-"), "{text}");
    let key = format!("23bc46b1-71f6-4ed5-8c54-816aa4f8c502:{}", "s".repeat(64));
    let text = banner("http://127.0.0.1:3233", &start(&[], &[("CONFIG_whisk_users_guest", &key)]).config);
    assert!(!text.contains("sss") && text.contains("--auth <its key>"), "{text}");
}
