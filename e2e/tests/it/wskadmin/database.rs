//! `wskadmin db` and `syslog`.

use oxwhisk_e2e::{action, process, wait};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{fresh, server, user};

#[test]
fn a_database_prints_as_couchdb_and_python_print_it() {
    let Some((_, admin)) = server("a_database_prints_as_couchdb_and_python_print_it") else { return };
    let subject = fresh("database");
    let key = admin.output(&["user", "create", &subject]);
    admin.output(&["limits", "set", &subject, "--invocationsPerMinute", "7"]);
    let printed = admin.output(&["db", "get", "subjects", "--docs"]);
    let (first, table) = printed.split_once('\n').expect("two parts");
    assert_eq!(first, "getting contents for subjects (primary index)");
    assert!(
        table.starts_with("{\n    \"offset\": 0,\n    \"rows\": [\n        {\n            \"doc\": {\n"),
        "{table}"
    );
    let read: Value = serde_json::from_str(table).expect("JSON");
    let rows = read["rows"].as_array().expect("rows");
    assert_eq!(read["total_rows"], rows.len());
    let row = |id: &str| rows.iter().find(|row| row["id"] == id).expect("the row");
    let (uuid, secret) = key.split_once(':').expect("uuid:key");
    let expected = json!([{ "name": subject, "uuid": uuid, "key": secret }]);
    assert_eq!(row(&subject)["doc"]["namespaces"], expected);
    assert_eq!(row(&format!("{subject}/limits"))["doc"]["invocationsPerMinute"], 7);

    let short = admin.output(&["db", "get", "subjects", "--json"]);
    let read: Value = serde_json::from_str(&short).expect("JSON alone");
    assert!(read["rows"].as_array().expect("rows").iter().all(|row| row.get("doc").is_none()));
}

#[test]
fn every_page_of_entities_and_records_is_there() {
    let Some((server, admin)) = server("every_page_of_entities_and_records_is_there") else { return };
    let subject = fresh("pages");
    let key = admin.output(&["user", "create", &subject]);
    let tenant = server.tenant(user(&subject, &subject, &key));
    // More than a page of documents.
    let names: Vec<String> = (0..40).map(|n| format!("action{n:02}")).collect();
    for name in &names {
        tenant.create(name, &action::nodejs(action::ECHO));
    }
    let id = tenant.fire(&names[0], &json!({}));
    tenant.record(&id);
    for docs in [&["--docs"][..], &[]] {
        let printed = admin.output(&[&["db", "get", "whisks", "--json"], docs].concat());
        // Not as a tree: what others have stored in a shared database may be deep.
        let Rows { rows } = serde_json::from_str(&printed).expect("JSON");
        for name in &names {
            let id = format!("{subject}/{name}");
            assert!(rows.iter().any(|row| row.id == id), "{id} {rows:?}");
        }
    }
    // Controllers give a record before it is in the store.
    let row = format!("\"id\": \"{subject}/{id}\"");
    wait::until("the record in the database", || {
        let records = admin.output(&["db", "get", "activations"]);
        if records.contains(&row) { Ok(()) } else { Err(records) }
    });
}

#[derive(Debug, Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
}

/// All that the API takes is there, as deep and as strange as it is.
#[test]
fn whatever_was_stored_is_printed() {
    let Some((server, admin)) = server("whatever_was_stored_is_printed") else { return };
    let subject = fresh("deep");
    let key = admin.output(&["user", "create", &subject]);
    let tenant = server.tenant(user(&subject, &subject, &key));
    let (open, close) = ("[".repeat(900), "]".repeat(900));
    let body = format!(
        r#"{{"exec":{{"kind":"nodejs:default","code":"x"}},"parameters":[{{"key":"k","value":{open}"\ud800",1E5{close}}}]}}"#
    );
    let request = tenant.request("PUT", "actions/a").header("Content-Type", "application/json");
    request.body(body).send().expect(200);
    let printed = admin.output(&["db", "get", "whisks", "--docs"]);
    assert!(printed.contains(&format!("\"_id\": \"{subject}/a\"")), "the action is not there");
    assert!(printed.contains("100000"), "its number is not there");
}

#[test]
fn what_is_not_offered_is_said() {
    let Some((_, admin)) = server("what_is_not_offered_is_said") else { return };
    let other = "Failed to get database (\"other\" is not offered, only subjects, whisks and activations)\n";
    admin.expect(&["db", "get", "other"], 1, other);
    let form = "view name \"x\" is not formatted correctly, should be design/view\n";
    admin.expect(&["db", "get", "subjects", "-w", "x"], 2, form);
    let view = "getting contents for subjects (a/b)\nFailed to get database (this store has no view 'a/b': only the primary \
                index is there)\n";
    admin.expect(&["db", "get", "subjects", "--view", "a/b"], 1, view);
}

#[test]
fn system_logs_are_merged_sorted_and_filtered() {
    let Some((_, admin)) = server("system_logs_are_merged_sorted_and_filtered") else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (component, text) in [
        (
            "controller0",
            "[2026-01-01T00:00:01.000Z] [INFO] [#tid_abc] one\n\n[2026-01-01T00:00:03.000Z] [INFO] [#tid_x] three\n",
        ),
        ("invoker0", "[2026-01-01T00:00:02.000Z] [INFO] [#tid_abc] two\n"),
    ] {
        std::fs::create_dir(dir.path().join(component)).expect("writable");
        std::fs::write(dir.path().join(component).join(format!("{component}_logs.log")), text)
            .expect("writable");
    }
    let run = |args: &[&str]| {
        let mut command = admin.command();
        command
            .env("WHISK_LOGS_DIR", dir.path())
            .args(["syslog", "get", "controller0", "invoker0"])
            .args(args);
        let finished = process::run(command);
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        finished
            .stdout
            .lines()
            .map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&[]), ["one", "two", "three"]);
    assert_eq!(run(&["-t", "abc"]), ["one", "two"]);
    assert_eq!(run(&["-g", "th.*e"]), ["three"]);
    assert_eq!(run(&["-g", "none"]), [""; 0]);
    let unset = admin.run(&["syslog", "get"]);
    assert_eq!(unset.status.code(), Some(2));
    assert!(unset.stdout.starts_with("WHISK_LOGS_DIR is not set"), "{unset:?}");
}
