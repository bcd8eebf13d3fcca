//! Starting: what goes wrong is said in one clear line, and the process ends.

mod programs;

use std::net::TcpListener;
use std::path::Path;

use oxwhisk_e2e::process::{self, Finished};
use oxwhisk_e2e::{Server, ServerOptions, shared};
use serde_json::json;

use programs::{Place, Program};

/// Checks that a start failed with one line on stderr that contains `names`.
#[track_caller]
fn expect_refusal(finished: &Finished, names: &str) {
    expect_line(finished, names, |line| !line.trim().is_empty());
}

/// The same where a service has begun, and logged, what it does beside: it finds that out while it connects to others.
#[track_caller]
fn expect_late_refusal(program: &Program, finished: &Finished, names: &str) {
    let (own, alone) = (format!("{}: ", program.name), program.name == "oxwhisk");
    expect_line(finished, names, |line| alone || line.starts_with(&own));
    assert!(finished.stderr.lines().last().is_some_and(|line| line.starts_with(&own)), "{finished:?}");
}

#[track_caller]
fn expect_line(finished: &Finished, names: &str, counts: impl Fn(&str) -> bool) {
    let code = finished.status.code();
    assert!(code.is_some_and(|code| code != 0), "no exit code of its own: {finished:?}");
    let lines: Vec<_> = finished.stderr.lines().filter(|line| counts(line)).collect();
    assert_eq!(lines.len(), 1, "one line on stderr: {finished:?}");
    assert!(lines[0].contains(names), "'{names}' is not named: {finished:?}");
}

/// Checks that every program of the server that takes `flag` refuses this value of it in one line that contains `names`.
#[track_caller]
fn expect_all_to_refuse(test: &str, place: &Place, flag: &str, value: &str, names: &str) {
    for program in programs::of_the_server(test).iter().filter(|program| program.takes(flag)) {
        expect_refusal(&process::run(program.command(place, &[flag, value])), names);
    }
}

#[test]
fn help_tells_the_flags() {
    for program in programs::of_the_server("help_tells_the_flags") {
        let finished = process::run(program.alone(&["--help"]));
        assert!(finished.status.success(), "{finished:?}");
        for flag in program.flags {
            assert!(finished.stdout.contains(flag), "{flag} in {finished:?}");
        }
    }
}

#[test]
fn version_is_told() {
    for program in programs::of_the_server("version_is_told") {
        let finished = process::run(program.alone(&["--version"]));
        let begin = format!("{} ", program.name);
        assert!(finished.status.success() && finished.stdout.starts_with(&begin), "{finished:?}");
    }
}

#[test]
fn an_unknown_flag_is_refused() {
    for program in programs::of_the_server("an_unknown_flag_is_refused") {
        let finished = process::run(program.alone(&["--no-such-flag"]));
        assert!(!finished.status.success() && finished.stderr.contains("--no-such-flag"), "{finished:?}");
    }
}

#[test]
fn a_taken_port_is_refused() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let place = Place::new();
    for program in programs::of_the_server("a_taken_port_is_refused") {
        expect_refusal(&process::run(program.command_at(port, &place, &[])), &port.to_string());
    }
}

#[test]
fn a_data_directory_that_is_none_is_refused() {
    let place = Place::new();
    let file = place.file("data", "not a directory");
    for program in programs::of_the_server("a_data_directory_that_is_none_is_refused") {
        if program.takes("--data-dir") {
            expect_late_refusal(program, &process::run(program.command(&place, &[])), &file);
        }
    }
}

/// A server whose data lay among somebody's files would remove them all when it is started with `--clean`.
#[test]
fn a_directory_with_other_files_is_no_data_directory() {
    let test = "a_directory_with_other_files_is_no_data_directory";
    if !shared::is_standalone(test, "only the standalone server has --clean, for which this is refused") {
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let thesis = home.path().join("thesis");
    std::fs::write(&thesis, "ten years").expect("own directory is writable");
    let path = home.path().display().to_string();
    for program in programs::of_the_server(test) {
        for more in [&[][..], &["--clean"]] {
            let mut args = vec!["--port", "0", "--data-dir", &path];
            args.extend(more);
            expect_refusal(&process::run(program.alone(&args)), &path);
        }
    }
    assert!(thesis.exists());
}

#[test]
fn a_stdout_that_nobody_reads_does_not_keep_it_from_serving() {
    let test = "a_stdout_that_nobody_reads_does_not_keep_it_from_serving";
    let options = ServerOptions::default().with_stdout_that_nobody_reads();
    let Some(server) = shared::own_server(test, &options) else { return };
    server.tenant(0).get("actions").expect(200);
}

#[test]
fn a_data_directory_is_used_by_one_server_only() {
    let test = "a_data_directory_is_used_by_one_server_only";
    let place = Place::new();
    let data = place.path("first");
    let Some(_first) = shared::own_server(test, &ServerOptions::default().data_dir(Path::new(&data))) else {
        return;
    };
    for program in programs::of_the_server(test) {
        let Some(own) = program.data_dir_in(&data) else { continue };
        expect_late_refusal(program, &process::run(program.command_in(&own, &place)), &own);
    }
}

#[test]
fn a_manifest_that_is_no_json_is_refused() {
    let place = Place::new();
    let manifest = place.file("manifest.json", "{ not json");
    let test = "a_manifest_that_is_no_json_is_refused";
    expect_all_to_refuse(test, &place, "--manifest", &manifest, &manifest);
}

#[test]
fn a_manifest_without_a_default_kind_is_refused() {
    let place = Place::new();
    let image = json!({"prefix": "openwhisk", "name": "action-nodejs-v20"});
    let kinds = json!([{"kind": "nodejs:18", "image": image}, {"kind": "nodejs:20", "image": image}]);
    let manifest = place.file("manifest.json", &json!({"runtimes": {"nodejs": kinds}}).to_string());
    let test = "a_manifest_without_a_default_kind_is_refused";
    expect_all_to_refuse(test, &place, "--manifest", &manifest, "nodejs");
}

#[test]
fn a_missing_manifest_is_refused() {
    let place = Place::new();
    let manifest = place.path("nowhere.json");
    expect_all_to_refuse("a_missing_manifest_is_refused", &place, "--manifest", &manifest, &manifest);
}

#[test]
fn a_broken_users_file_is_refused() {
    let place = Place::new();
    let users = place.file("users.json", r#"[{"subject": "me"}]"#);
    expect_all_to_refuse("a_broken_users_file_is_refused", &place, "--users", &users, &users);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    let place = Place::new();
    let config = place.file("oxwhisk.toml", "no_such_key = 1\n");
    let test = "an_unknown_key_of_the_configuration_is_refused";
    expect_all_to_refuse(test, &place, "--config-file", &config, "no_such_key");
}

#[test]
fn a_limit_that_is_no_number_is_refused() {
    let place = Place::new();
    for (variable, value) in
        [("LIMITS_ACTIONS_INVOKES_PERMINUTE", "many"), ("CONFIG_whisk_timeLimit_max", "long")]
    {
        for program in programs::of_the_server("a_limit_that_is_no_number_is_refused") {
            // An invoker does not count invocations.
            if program.name == "invoker" && variable.starts_with("LIMITS") {
                continue;
            }
            let mut command = program.command(&place, &[]);
            command.env(variable, value);
            expect_refusal(&process::run(command), variable);
        }
    }
}

#[test]
fn limits_of_the_environment_are_in_force() {
    let options = ServerOptions::default()
        .env("LIMITS_ACTIONS_INVOKES_PERMINUTE", "7")
        .env("LIMITS_ACTIONS_INVOKES_CONCURRENT", "8")
        .env("LIMITS_TRIGGERS_FIRES_PERMINUTE", "9")
        .env("CONFIG_whisk_timeLimit_max", "2 m");
    let Some(server) = shared::own_server("limits_of_the_environment_are_in_force", &options) else { return };
    let told = server.api().get("/").send().expect(200).json()["limits"].take();
    assert_eq!(told["actions_per_minute"], 7, "{told}");
    assert_eq!(told["concurrent_actions"], 8, "{told}");
    assert_eq!(told["triggers_per_minute"], 9, "{told}");
    assert_eq!(told["max_action_duration"], 120_000, "{told}");
    let limits = server.tenant(0).get("limits").expect(200).json();
    assert_eq!((&limits["invocationsPerMinute"], &limits["maxActionTimeout"]), (&json!(7), &json!(120_000)));
}

/// The published key of `guest`, which a start with default users has left in the data directory.
const GUEST: &str =
    "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

#[test]
fn a_user_that_is_taken_away_is_gone_also_from_the_data_directory() {
    let place = Place::new();
    let options = ServerOptions::default().data_dir(Path::new(&place.path("data")));
    let Some(server) = shared::own_server("a_user_that_is_taken_away", &options) else { return };
    server.api().get("/api/v1/namespaces").basic(GUEST).send().expect(200);
    drop(server);
    let config = place.file("oxwhisk.toml", "[whisk.users]\nguest = \"\"\n");
    let server = Server::start(&options.config_file(&config));
    server.api().get("/api/v1/namespaces").basic(GUEST).send().expect(401);
    server.tenant(0).get("limits").expect(200);
}

#[test]
fn stdout_names_the_api_host() {
    let Some(server) = shared::own_server("stdout_names_the_api_host", &ServerOptions::default()) else {
        return;
    };
    let stdout = server.logs().stdout();
    let host = server.api().url();
    let authority = host.trim_start_matches("http://");
    assert!(stdout.contains(authority), "{authority} is not in '{stdout}'");
}
