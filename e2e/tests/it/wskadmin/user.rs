//! `wskadmin user`, every line of the table of messages.

use super::{MISSING, fresh, server};

const UUID: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c5";

fn key(n: u8) -> String {
    format!("{UUID}{n:02x}:{}", "k".repeat(64))
}

fn is_key(text: &str) -> bool {
    let Some((uuid, key)) = text.split_once(':') else { return false };
    let hyphens = uuid.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at);
    hyphens.eq([8, 13, 18, 23]) && key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[test]
fn c300_create_says_what_is_wrong() {
    let Some((_, admin)) = server("c300_create_says_what_is_wrong") else { return };
    let lines: &[(&[&str], i32, &str)] = &[
        (&["abcd"], 2, "Subject name must be at least 5 characters\n"),
        (&["  abcd  "], 2, "Subject name must be at least 5 characters\n"),
        (&["guests", "-ns", " "], 2, "Namespace must not be empty\n"),
        (&["guests", "-u", "x"], 2, "authorization id is not a valid UUID\n"),
        (
            &["guests", "-u", "23bc46b1-71f6-4ed5-8c54-816aa4f8c502"],
            2,
            "failed to determine authorization id and key: list index out of range\n",
        ),
        (
            &["guests", "-u", "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:short"],
            2,
            "authorization key must be at least 64 characters long\n",
        ),
    ];
    for (arguments, code, stdout) in lines {
        admin.expect(&[&["user", "create"], *arguments].concat(), *code, stdout);
    }
    let usage = admin.run(&["user", "create"]);
    assert_eq!((usage.status.code(), usage.stdout.as_str()), (Some(2), ""));
    assert!(!usage.stderr.is_empty());
}

#[test]
fn create_prints_the_key_and_get_prints_it_again() {
    let Some((_, admin)) = server("create_prints_the_key_and_get_prints_it_again") else { return };
    let subject = fresh("create");
    let created = admin.output(&["user", "create", &subject]);
    assert!(is_key(&created), "{created}");
    admin.expect(&["user", "get", &subject], 0, &format!("{created}\n"));
    admin.expect(&["user", "create", &subject], 1, "Namespace already exists\n");
    // A further namespace is added to the subject.
    let team = fresh("team");
    let second = admin.output(&["user", "create", &subject, "-ns", &team]);
    admin.expect(&["user", "get", &subject, "-ns", &team], 0, &format!("{second}\n"));
    let all = format!("{subject}\t{created}\n{team}\t{second}\n");
    admin.expect(&["user", "get", &subject, "--all"], 0, &all);
    admin.expect(&["user", "get", &subject, "-a"], 0, &all);
    let other = format!("namespace \"other\" not found for \"{subject}\"\n");
    admin.expect(&["user", "get", &subject, "-ns", "other"], 1, &other);
    admin.expect(&["user", "get", "nobody"], 1, &format!("Failed to get subject ({MISSING})\n"));
}

#[test]
fn create_takes_a_key_and_makes_its_uuid_one_of_version_4() {
    let Some((_, admin)) = server("create_takes_a_key_and_makes_its_uuid_one_of_version_4") else { return };
    let (subject, given) = (fresh("given"), key(0x10));
    admin.expect(&["user", "create", &subject, "-u", &given], 0, &format!("{given}\n"));
    let taken = "Failed to create subject (the key is already in use)\n";
    admin.expect(&["user", "create", &fresh("thief"), "--auth", &given], 1, taken);
    let odd = format!("11111111111111111111111111111111:{}", "o".repeat(64));
    let made = format!("11111111-1111-4111-9111-111111111111:{}\n", "o".repeat(64));
    admin.expect(&["user", "create", &fresh("given"), "-u", &odd], 0, &made);
}

#[test]
fn create_can_be_silent_generate_only_and_revoke() {
    let Some((_, admin)) = server("create_can_be_silent_generate_only_and_revoke") else { return };
    let subject = fresh("revoke");
    let generated = admin.output(&["user", "create", &subject, "-g"]);
    assert!(is_key(&generated), "{generated}");
    admin.expect(&["user", "get", &subject], 1, &format!("Failed to get subject ({MISSING})\n"));
    admin.expect(&["user", "create", &subject, "-s"], 0, "");
    let first = admin.output(&["user", "get", &subject]);
    for flag in ["-r", "--revoke", "-f", "--force"] {
        let before = admin.output(&["user", "get", &subject]);
        let renewed = admin.output(&["user", "create", &subject, flag]);
        assert_ne!(before, renewed, "{flag}");
        assert_ne!(before.split(':').next(), renewed.split(':').next(), "{flag} replaces the uuid, too");
    }
    assert_eq!(admin.output(&["user", "whois", &first]), "Subject id is not recognized");
}

#[test]
fn delete_takes_a_subject_or_one_namespace() {
    let Some((_, admin)) = server("delete_takes_a_subject_or_one_namespace") else { return };
    let (subject, team) = (fresh("delete"), fresh("team"));
    admin.output(&["user", "create", &subject]);
    admin.output(&["user", "create", &subject, "-ns", &team]);
    let none = format!("Namespace \"none\" does not exist for \"{subject}\"\n");
    admin.expect(&["user", "delete", &subject, "-ns", "none"], 1, &none);
    admin.expect(&["user", "delete", &subject, "-ns", " "], 2, "Namespace must not be empty\n");
    admin.expect(&["user", "delete", " "], 2, "Subject must not be empty\n");
    admin.expect(&["user", "delete", &subject, "-ns", &team], 0, "Namespace deleted\n");
    admin.expect(&["user", "delete", &subject], 0, "Subject deleted\n");
    let missing = format!("Failed to delete subject ({MISSING})\n");
    admin.expect(&["user", "delete", &subject], 1, &missing);
    admin.expect(&["user", "delete", &subject, "-ns", &team], 1, &missing);
}

#[test]
fn whois_names_the_holder() {
    let Some((_, admin)) = server("whois_names_the_holder") else { return };
    let (subject, team) = (fresh("whois"), fresh("team"));
    let line = admin.output(&["user", "create", &subject, "-ns", &team]);
    let told = format!("subject: {subject}\nnamespace: {team}\n");
    admin.expect(&["user", "whois", &line], 0, &told);
    for unknown in [key(0xff), "x:y".to_owned(), format!("{line}x")] {
        admin.expect(&["user", "whois", &unknown], 0, "Subject id is not recognized\n");
    }
    let wrong = admin.run(&["user", "whois", "x"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stdout.starts_with("Exception: "), "{wrong:?}");
}

#[test]
fn c301_list_has_a_line_for_each_identity() {
    let Some((_, admin)) = server("c301_list_has_a_line_for_each_identity") else { return };
    let team = fresh("shared");
    let none = format!("no identities found for namespace \"{team}\"\n");
    admin.expect(&["user", "list", &team], 0, &none);
    let mut lines = Vec::new();
    for subject in ["zoeee", "anna1", "berta"].map(fresh) {
        let key = admin.output(&["user", "create", &subject, "-ns", &team]);
        lines.push((subject, key));
    }
    // In the order of the subjects, as CouchDB's view has them.
    lines.sort();
    let table: Vec<String> = lines.iter().map(|(subject, key)| format!("{key}\t{subject}\n")).collect();
    admin.expect(&["user", "list", &team, "-a"], 0, &table.concat());
    admin.expect(&["user", "list", &team], 0, &table[0]);
    admin.expect(&["user", "list", &team, "-p", "2"], 0, &table[..2].concat());
    let keys: String = lines.iter().map(|(_, key)| format!("{key}\n")).collect();
    admin.expect(&["user", "list", &team, "--all", "--key"], 0, &keys);
    admin.expect(&["user", "list", &team, "-p", "0"], 2, "pick at least 1 identity to show\n");
    admin.expect(&["user", "list", &team, "-p", "-1"], 2, "pick at least 1 identity to show\n");
    // Blocked ones are left out, as in the view.
    admin.output(&["user", "block", &lines[0].0]);
    admin.expect(&["user", "list", &team, "-a"], 0, &table[1..].concat());
    admin.expect(
        &["user", "-w", "other", "list", &team],
        2,
        "the view \"other\" is not offered, only \"subjects.v2.0.0\"\n",
    );
}

#[test]
fn block_and_unblock_count_failures() {
    let Some((_, admin)) = server("block_and_unblock_count_failures") else { return };
    let (one, other) = (fresh("block"), fresh("block"));
    admin.output(&["user", "create", &one]);
    admin.output(&["user", "create", &other]);
    let done = |verb: &str| format!("\"{one}\" {verb} successfully\n\"{other}\" {verb} successfully\n");
    admin.expect(&["user", "block", &one, &other], 0, &done("blocked"));
    admin.expect(&["user", "create", &one, "-ns", "x"], 1, "The subject you want to edit is blocked\n");
    admin.expect(&["user", "unblock", &one, &other], 0, &done("unblocked"));
    let mixed = format!(
        "Failed to block \"nobody1\" ({MISSING})\n\"{one}\" blocked successfully\nFailed to block \"nobody2\" ({MISSING})\n"
    );
    admin.expect(&["user", "block", "nobody1", &one, " ", "nobody2"], 2, &mixed);
    let failed = format!("Failed to unblock \"nobody1\" ({MISSING})\n");
    admin.expect(&["user", "unblock", "nobody1"], 1, &failed);
}

#[test]
fn json_is_beside_the_texts() {
    let Some((_, admin)) = server("json_is_beside_the_texts") else { return };
    let subject = fresh("json");
    let json =
        |args: &[&str]| -> serde_json::Value { serde_json::from_str(&admin.output(args)).expect("JSON") };
    let created = json(&["--json", "user", "create", &subject]);
    assert_eq!(
        (&created["subject"], &created["namespace"]),
        (&subject.clone().into(), &subject.clone().into())
    );
    let got = json(&["user", "get", &subject, "-a", "--json"]);
    assert_eq!((&got["blocked"], &got["namespaces"][0]["key"]), (&false.into(), &created["key"]));
    let failed = admin.run(&["--json", "user", "get", "nobody"]);
    assert_eq!(failed.status.code(), Some(1));
    let failure: serde_json::Value = serde_json::from_str(&failed.stdout).expect("JSON");
    assert_eq!(failure["error"], format!("Failed to get subject ({MISSING})"));
}
