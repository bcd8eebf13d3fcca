//! The Docker daemon that invokers of a cluster make containers with.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process;
use crate::report;

/// Where the daemon is, as `DOCKER_HOST` has it.
pub const DOCKER_VARIABLE: &str = "OXWHISK_E2E_DOCKER";

/// The daemon, by its command line.
#[derive(Debug)]
pub struct Docker {
    host: String,
}

impl Docker {
    /// The daemon of the cluster that is tested; `None`, and a line that says so, where its containers are others.
    #[track_caller]
    pub fn of_cluster(test: &str) -> Option<Self> {
        let Ok(host) = std::env::var(DOCKER_VARIABLE) else {
            let why = format!("it is about a cluster over Docker: make test-docker ({DOCKER_VARIABLE})");
            report::skipped(test, &why);
            return None;
        };
        Some(Self { host })
    }

    /// Whether the containers of the cluster that is tested are no sandboxes; if so, says that `test` is left out.
    pub fn instead_of_sandboxes(test: &str) -> bool {
        let is_docker = std::env::var_os(DOCKER_VARIABLE).is_some();
        if is_docker {
            report::skipped(test, &format!("it is about sandboxes, {DOCKER_VARIABLE} is set"));
        }
        is_docker
    }

    /// What a command of `docker` prints.
    ///
    /// # Errors
    /// What it said instead.
    #[track_caller]
    pub fn try_run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host]).args(args);
        let finished = process::run(command);
        if finished.status.success() { Ok(finished.stdout) } else { Err(finished.stderr) }
    }

    /// What a command of `docker` prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        self.try_run(args).unwrap_or_else(|error| panic!("docker {args:?}: {error}"))
    }

    /// Builds an image from a Dockerfile and files beside it.
    #[track_caller]
    pub fn build(&self, tag: &str, files: &[(&str, &str)]) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file of the image");
        }
        let path = Path::to_str(dir.path()).expect("a path that is text");
        self.run(&["build", "--quiet", "--tag", tag, path]);
    }

    /// What it knows of a container; `None` if there is none of this name or id.
    #[track_caller]
    pub fn inspect(&self, container: &str) -> Option<Value> {
        match self.try_run(&["container", "inspect", "--format", "{{json .}}", container]) {
            Ok(text) => Some(serde_json::from_str(&text).expect("docker prints JSON")),
            Err(error) if error.to_lowercase().contains("no such container") => None,
            Err(error) => panic!("docker inspect {container}: {error}"),
        }
    }

    /// Ids of an invoker's containers, whatever their state.
    #[track_caller]
    pub fn containers_of(&self, invoker: &str) -> Vec<String> {
        let number = invoker.trim_start_matches("invoker");
        let label = format!("label=org.oxwhisk.invoker={number}");
        let ids = self.run(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label]);
        ids.lines().map(str::to_owned).collect()
    }
}

/// The invoker that a container bears the label of, as parts of a cluster are called.
#[track_caller]
pub fn invoker_of(details: &Value) -> String {
    let label = &details["Config"]["Labels"]["org.oxwhisk.invoker"];
    format!("invoker{}", label.as_str().unwrap_or_else(|| panic!("no label of an invoker: {details}")))
}
