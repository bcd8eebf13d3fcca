//! Rules for the whole workspace that no compiler checks: who may depend on whom, and where versions come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate may import of the workspace, with features and for building; tests may import more. A line here is
/// a decision: add one only with a reason in `ARCHITECTURE.md`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("oxwhisk-core", &[]),
    ("oxwhisk-config", &["oxwhisk-core"]),
    ("oxwhisk-service", &["oxwhisk-core", "oxwhisk-config"]),
    ("oxwhisk-settings", &["oxwhisk-core", "oxwhisk-config", "oxwhisk-service"]),
    ("oxwhisk-metrics", &[]),
    ("oxwhisk-ops", &["oxwhisk-config", "oxwhisk-metrics", "oxwhisk-service"]),
    ("oxwhisk-trace", &["oxwhisk-core"]),
    ("oxwhisk-otlp", &["oxwhisk-core", "oxwhisk-config", "oxwhisk-metrics", "oxwhisk-trace"]),
    ("oxwhisk-otlp-receiver", &[]),
    (
        "oxwhisk-events",
        &["oxwhisk-core", "oxwhisk-config", "oxwhisk-invoker-api", "oxwhisk-messaging", "oxwhisk-metrics"],
    ),
    ("oxwhisk-sqlite", &[]),
    ("oxwhisk-grpc", &["oxwhisk-config", "oxwhisk-service"]),
    ("oxwhisk-proto", &[]),
    ("oxwhisk-admin", &["oxwhisk-grpc", "oxwhisk-proto"]),
    ("oxwhisk-proto-generate", &[]),
    ("oxwhisk-store", &["oxwhisk-core", "oxwhisk-sqlite"]),
    ("oxwhisk-couchdb", &["oxwhisk-core", "oxwhisk-config", "oxwhisk-store"]),
    ("oxwhisk-messaging", &["oxwhisk-core", "oxwhisk-sqlite"]),
    ("oxwhisk-ticket", &["oxwhisk-core"]),
    ("oxwhisk-redis-server", &[]),
    ("oxwhisk-cache-commands", &[]),
    (
        "oxwhisk-cache-proxy",
        &[
            "oxwhisk-cache-commands",
            "oxwhisk-cache-session",
            "oxwhisk-cache-tokens",
            "oxwhisk-cache-upstream",
            "oxwhisk-config",
            "oxwhisk-core",
            "oxwhisk-invoker-api",
            "oxwhisk-metrics",
        ],
    ),
    (
        "oxwhisk-cache-remote",
        &[
            "oxwhisk-cache-proxy",
            "oxwhisk-cache-tokens",
            "oxwhisk-core",
            "oxwhisk-grpc",
            "oxwhisk-invoker-api",
            "oxwhisk-proto",
            "oxwhisk-ticket",
        ],
    ),
    (
        "oxwhisk-cache-proxy-service",
        &[
            "oxwhisk-cache-proxy",
            "oxwhisk-cache-remote",
            "oxwhisk-cache-upstream",
            "oxwhisk-config",
            "oxwhisk-core",
            "oxwhisk-grpc",
            "oxwhisk-metrics",
            "oxwhisk-ops",
            "oxwhisk-proto",
            "oxwhisk-service",
            "oxwhisk-settings",
            "oxwhisk-ticket",
        ],
    ),
    ("oxwhisk-cache-session", &["oxwhisk-cache-commands"]),
    ("oxwhisk-cache-upstream", &["oxwhisk-cache-commands"]),
    ("oxwhisk-cache-tokens", &["oxwhisk-cache-commands", "oxwhisk-core"]),
    ("oxwhisk-kafka", &["oxwhisk-config", "oxwhisk-messaging"]),
    ("oxwhisk-loadbalancer", &["oxwhisk-core", "oxwhisk-invoker-api"]),
    ("oxwhisk-invoker-api", &["oxwhisk-core", "oxwhisk-ticket"]),
    ("oxwhisk-dispatch", &["oxwhisk-core"]),
    ("oxwhisk-simulator", &["oxwhisk-core", "oxwhisk-invoker-api", "oxwhisk-loadbalancer"]),
    ("oxwhisk-container", &["oxwhisk-core"]),
    ("oxwhisk-docker", &["oxwhisk-core", "oxwhisk-config", "oxwhisk-container"]),
    ("oxwhisk-sandbox", &["oxwhisk-core", "oxwhisk-container", "oxwhisk-sandbox-init"]),
    ("oxwhisk-sandbox-init", &[]),
    ("oxwhisk-sandbox-zygote", &["oxwhisk-sandbox-init"]),
    (
        "oxwhisk-controller",
        &[
            "oxwhisk-core",
            "oxwhisk-config",
            "oxwhisk-service",
            "oxwhisk-messaging",
            "oxwhisk-store",
            "oxwhisk-loadbalancer",
            "oxwhisk-invoker-api",
            "oxwhisk-ticket",
            "oxwhisk-throttle",
            "oxwhisk-events",
            "oxwhisk-metrics",
            "oxwhisk-trace",
        ],
    ),
    (
        "oxwhisk-controller-settings",
        &["oxwhisk-core", "oxwhisk-config", "oxwhisk-settings", "oxwhisk-store", "oxwhisk-controller"],
    ),
    ("oxwhisk-throttle", &[]),
    (
        "oxwhisk-controller-service",
        &[
            "oxwhisk-core",
            "oxwhisk-config",
            "oxwhisk-service",
            "oxwhisk-settings",
            "oxwhisk-metrics",
            "oxwhisk-ops",
            "oxwhisk-messaging",
            "oxwhisk-kafka",
            "oxwhisk-store",
            "oxwhisk-couchdb",
            "oxwhisk-controller",
            "oxwhisk-controller-admin",
            "oxwhisk-controller-settings",
            "oxwhisk-dispatch",
            "oxwhisk-events",
            "oxwhisk-grpc",
            "oxwhisk-invoker-api",
            "oxwhisk-invoker-remote",
            "oxwhisk-loadbalancer",
            "oxwhisk-otlp",
            "oxwhisk-proto",
            "oxwhisk-throttle",
            "oxwhisk-ticket",
            "oxwhisk-trace",
        ],
    ),
    (
        "oxwhisk-invoker-remote",
        &[
            "oxwhisk-core",
            "oxwhisk-dispatch",
            "oxwhisk-grpc",
            "oxwhisk-invoker-api",
            "oxwhisk-messaging",
            "oxwhisk-proto",
            "oxwhisk-ticket",
        ],
    ),
    (
        "oxwhisk-controller-admin",
        &["oxwhisk-core", "oxwhisk-grpc", "oxwhisk-messaging", "oxwhisk-proto", "oxwhisk-store"],
    ),
    (
        "oxwhisk-invoker",
        &[
            "oxwhisk-core",
            "oxwhisk-config",
            "oxwhisk-service",
            "oxwhisk-invoker-api",
            "oxwhisk-container",
            "oxwhisk-metrics",
            "oxwhisk-trace",
        ],
    ),
    (
        "oxwhisk-invoker-service",
        &[
            "oxwhisk-cache-remote",
            "oxwhisk-core",
            "oxwhisk-config",
            "oxwhisk-container",
            "oxwhisk-docker",
            "oxwhisk-events",
            "oxwhisk-grpc",
            "oxwhisk-invoker",
            "oxwhisk-invoker-api",
            "oxwhisk-invoker-remote",
            "oxwhisk-invoker-settings",
            "oxwhisk-kafka",
            "oxwhisk-messaging",
            "oxwhisk-metrics",
            "oxwhisk-ops",
            "oxwhisk-otlp",
            "oxwhisk-proto",
            "oxwhisk-sandbox",
            "oxwhisk-service",
            "oxwhisk-settings",
            "oxwhisk-trace",
        ],
    ),
    (
        "oxwhisk-invoker-settings",
        &["oxwhisk-core", "oxwhisk-config", "oxwhisk-invoker", "oxwhisk-runtime-native", "oxwhisk-sandbox"],
    ),
    ("oxwhisk-runtime-native", &[]),
    ("oxwhisk-e2e", &[]),
];

/// These put everything together, so they may import anything, and nobody may import them.
const TOPS: &[&str] = &["oxwhisk-standalone", "oxwhisk-bench"];

/// Crates that the standalone server must not bring along: clients of things it does without, and second copies of
/// what it has one of.
const NOT_IN_STANDALONE: &[&str] = &[
    "rdkafka",
    "kube",
    "bollard",
    "fred",
    "opentelemetry-otlp",
    "oxwhisk-otlp",
    "oxwhisk-couchdb",
    "aws-lc-rs",
    "aws-lc-sys",
    "chrono",
    "openssl",
    "openssl-sys",
    "native-tls",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(1)
        .expect("the crate is in the workspace")
        .to_owned()
}

#[track_caller]
fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The workspace's packages; with `--no-deps` there are no others.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    list(&metadata["packages"]).to_vec()
}

fn imports(package: &Value, members: &BTreeSet<String>) -> Vec<String> {
    list(&package["dependencies"])
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| text(&dependency["name"]).to_owned())
        .filter(|name| members.contains(name))
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let members: BTreeSet<String> =
        packages.iter().map(|package| text(&package["name"]).to_owned()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut faults = Vec::new();
    for package in &packages {
        let name = text(&package["name"]);
        let rule = allowed.get(name);
        if rule.is_none() && !TOPS.contains(&name) {
            faults.push(format!("{name} has no line in ALLOWED"));
        }
        for import in imports(package, &members) {
            let is_allowed = match rule {
                Some(rule) => rule.contains(&import.as_str()),
                None => TOPS.contains(&name),
            };
            if !is_allowed || TOPS.contains(&import.as_str()) || import == "oxwhisk-e2e" {
                faults.push(format!("{name} must not import {import}"));
            }
        }
    }
    let stale = allowed.keys().filter(|name| !members.contains(**name));
    faults.extend(stale.map(|name| format!("{name} is in ALLOWED and not in the workspace")));
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn members_take_lints_and_versions_from_the_workspace() {
    let mut faults = Vec::new();
    for package in packages() {
        let path = text(&package["manifest_path"]);
        let manifest = std::fs::read_to_string(path).expect("cargo has read it");
        faults.extend(manifest_faults(&manifest).into_iter().map(|fault| format!("{path}: {fault}")));
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// What a member's manifest decides by itself and must not.
fn manifest_faults(manifest: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut section = "";
    let mut lints = false;
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            let is_table_of_one = section.contains("dependencies.");
            if is_table_of_one {
                faults.push(format!("[{section}]: write 'name = {{ workspace = true, ... }}'"));
            }
        } else if section == "lints" && line == "workspace = true" {
            lints = true;
        } else if section.ends_with("dependencies") && is_own_version(line) {
            faults.push(format!("'{line}' does not come from the workspace"));
        }
    }
    if !lints {
        faults.push("has no '[lints] workspace = true'".to_owned());
    }
    faults
}

/// A dependency that does not take its version from the workspace. Lines inside a list of features have no `=`, and
/// `path = "."` is the crate itself, with features that its own tests need.
fn is_own_version(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return false };
    let value = value.replace(' ', "");
    let is_itself = value.contains("path=\".\"");
    !name.trim().ends_with(".workspace") && !value.contains("workspace=true") && !is_itself
}

#[test]
fn manifests_that_decide_for_themselves_are_found() {
    let good = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\n  \"c\",\n] }\n\
                [lints]\nworkspace = true\n";
    assert_eq!(manifest_faults(good), Vec::<String>::new());
    assert_eq!(manifest_faults(&good.replace("a.workspace = true", "a = \"1\"")).len(), 1);
    assert_eq!(manifest_faults(&good.replace("[dependencies]", "[dev-dependencies.a]")).len(), 1);
    assert_eq!(manifest_faults("[dependencies]\na = { path = \"../a\" }\n").len(), 2);
}

#[test]
fn the_standalone_server_builds_without_heavy_clients() {
    let arguments =
        ["tree", "-p", "oxwhisk-standalone", "-e", "normal", "--prefix", "none", "-f", "{p}", "--locked"];
    let tree = cargo(&arguments);
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("oxwhisk-core"), "the tree does not look like one: {tree}");
    let heavy: Vec<_> = NOT_IN_STANDALONE.iter().filter(|name| crates.contains(**name)).collect();
    assert!(heavy.is_empty(), "{heavy:?}");
}

#[test]
fn every_member_has_the_licence_of_the_project() {
    for package in packages() {
        assert_eq!(package["license"], "Apache-2.0", "{}", package["name"]);
        assert_eq!(package["publish"], serde_json::json!([]), "{}", package["name"]);
    }
}
