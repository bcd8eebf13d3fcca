//! Starting: what goes wrong is said in one clear line, and the process ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use oxwhisk_e2e::process::{self, Finished};
use oxwhisk_e2e::{Server, ServerOptions, report, server, shared, wait};
use serde_json::json;

fn oxwhisk(args: &[&str]) -> Command {
    let mut command = Command::new(server::binary().unwrap_or_else(|error| panic!("{error}")));
    command.args(args);
    command
}

/// Whether the binary of this machine is what is tested; says so when it is not.
fn is_local(test: &str) -> bool {
    if shared::is_remote() {
        report::skipped(test, "is about the binary, and the tests run against a server somewhere else");
    }
    !shared::is_remote()
}

/// Checks that a start failed with one line on stderr that contains `names`.
#[track_caller]
fn expect_refusal(finished: &Finished, names: &str) {
    let code = finished.status.code();
    assert!(code.is_some_and(|code| code != 0), "no exit code of its own: {finished:?}");
    let lines: Vec<_> = finished.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "one line on stderr: {finished:?}");
    assert!(lines[0].contains(names), "'{names}' is not named: {finished:?}");
}

/// A data directory and files beside it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).expect("own directory is writable");
        self.path(name)
    }

    #[track_caller]
    fn start(&self, args: &[&str]) -> Finished {
        let data = self.path("data");
        let mut all = vec!["--port", "0", "--data-dir", &data];
        all.extend(args);
        process::run(oxwhisk(&all))
    }
}

#[test]
fn help_tells_the_flags() {
    if !is_local("help_tells_the_flags") {
        return;
    }
    let finished = process::run(oxwhisk(&["--help"]));
    assert!(finished.status.success(), "{finished:?}");
    for flag in ["--port", "--data-dir", "--manifest", "--users", "--ready-file"] {
        assert!(finished.stdout.contains(flag), "{flag} in {finished:?}");
    }
}

#[test]
fn version_is_told() {
    if !is_local("version_is_told") {
        return;
    }
    let finished = process::run(oxwhisk(&["--version"]));
    assert!(finished.status.success() && finished.stdout.starts_with("oxwhisk "), "{finished:?}");
}

#[test]
fn an_unknown_flag_is_refused() {
    if !is_local("an_unknown_flag_is_refused") {
        return;
    }
    let finished = process::run(oxwhisk(&["--no-such-flag"]));
    assert!(!finished.status.success() && finished.stderr.contains("--no-such-flag"), "{finished:?}");
}

#[test]
fn a_taken_port_is_refused() {
    if !is_local("a_taken_port_is_refused") {
        return;
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let data = tempfile::tempdir().expect("a temporary directory");
    let finished =
        process::run(oxwhisk(&["--port", &port, "--data-dir", &data.path().display().to_string()]));
    expect_refusal(&finished, &port);
}

#[test]
fn a_data_directory_that_is_none_is_refused() {
    if !is_local("a_data_directory_that_is_none_is_refused") {
        return;
    }
    let place = Place::new();
    let file = place.file("data", "not a directory");
    expect_refusal(&place.start(&[]), &file);
}

/// A server whose data lay among somebody's files would remove them all when it is started with `--clean`.
#[test]
fn a_directory_with_other_files_is_no_data_directory() {
    if !is_local("a_directory_with_other_files_is_no_data_directory") {
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let thesis = home.path().join("thesis");
    std::fs::write(&thesis, "ten years").expect("own directory is writable");
    let path = home.path().display().to_string();
    for more in [&[][..], &["--clean"]] {
        let mut args = vec!["--port", "0", "--data-dir", &path];
        args.extend(more);
        expect_refusal(&process::run(oxwhisk(&args)), &path);
    }
    assert!(thesis.exists());
}

#[test]
fn a_stdout_that_nobody_reads_does_not_keep_it_from_serving() {
    if !is_local("a_stdout_that_nobody_reads_does_not_keep_it_from_serving") {
        return;
    }
    let place = Place::new();
    let (data, ready) = (place.path("data"), place.path("ready"));
    let mut command = oxwhisk(&["--port", "0", "--data-dir", &data, "--ready-file", &ready]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().expect("it starts");
    let started = wait::until("the server to be ready or gone", || match child.try_wait() {
        Ok(None) if !Path::new(&ready).exists() => Err("neither".to_owned()),
        Ok(gone) => Ok(gone),
        Err(error) => Err(error.to_string()),
    });
    process::stop(&mut child);
    assert_eq!(started, None, "it ended by itself");
}

#[test]
fn a_data_directory_is_used_by_one_server_only() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::default().data_dir(data.path());
    let Some(_first) = shared::own_server("a_data_directory_is_used_by_one_server_only", &options) else {
        return;
    };
    let path = data.path().display().to_string();
    expect_refusal(&process::run(oxwhisk(&["--port", "0", "--data-dir", &path])), &path);
}

#[test]
fn a_manifest_that_is_no_json_is_refused() {
    if !is_local("a_manifest_that_is_no_json_is_refused") {
        return;
    }
    let place = Place::new();
    let manifest = place.file("manifest.json", "{ not json");
    expect_refusal(&place.start(&["--manifest", &manifest]), &manifest);
}

#[test]
fn a_manifest_without_a_default_kind_is_refused() {
    if !is_local("a_manifest_without_a_default_kind_is_refused") {
        return;
    }
    let place = Place::new();
    let image = json!({"prefix": "openwhisk", "name": "action-nodejs-v20"});
    let kinds = json!([{"kind": "nodejs:18", "image": image}, {"kind": "nodejs:20", "image": image}]);
    let manifest = place.file("manifest.json", &json!({"runtimes": {"nodejs": kinds}}).to_string());
    expect_refusal(&place.start(&["--manifest", &manifest]), "nodejs");
}

#[test]
fn a_missing_manifest_is_refused() {
    if !is_local("a_missing_manifest_is_refused") {
        return;
    }
    let place = Place::new();
    let manifest = place.path("nowhere.json");
    expect_refusal(&place.start(&["--manifest", &manifest]), &manifest);
}

#[test]
fn a_broken_users_file_is_refused() {
    if !is_local("a_broken_users_file_is_refused") {
        return;
    }
    let place = Place::new();
    let users = place.file("users.json", r#"[{"subject": "me"}]"#);
    expect_refusal(&place.start(&["--users", &users]), &users);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    if !is_local("an_unknown_key_of_the_configuration_is_refused") {
        return;
    }
    let place = Place::new();
    let config = place.file("oxwhisk.toml", "no_such_key = 1\n");
    expect_refusal(&place.start(&["--config-file", &config]), "no_such_key");
}

#[test]
fn a_limit_that_is_no_number_is_refused() {
    if !is_local("a_limit_that_is_no_number_is_refused") {
        return;
    }
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut command = oxwhisk(&["--port", "0", "--data-dir", &data.path().display().to_string()]);
    command.env("LIMITS_ACTIONS_INVOKES_PERMINUTE", "many");
    expect_refusal(&process::run(command), "LIMITS_ACTIONS_INVOKES_PERMINUTE");
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
    let stdout = std::fs::read_to_string(&server.logs().stdout).expect("readable");
    let host = server.api().url();
    let authority = host.trim_start_matches("http://");
    assert!(stdout.contains(authority), "{authority} is not in '{stdout}'");
}
