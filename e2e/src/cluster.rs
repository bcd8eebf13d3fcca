//! A cluster of processes: tests look at its parts, and kill, stop and start them again by `scripts/cluster.sh`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::http::Api;
use crate::process::{self, Output};
use crate::report;
use crate::shared;
use crate::tenant::Tenant;
use crate::users::{Roster, Special};
use crate::wait;

/// Says that a cluster is there to be hurt.
pub const FAULTS_VARIABLE: &str = "OXWHISK_E2E_FAULTS";

/// Where the files of a cluster are.
const DIR_VARIABLE: &str = "OXWHISK_CLUSTER_DIR";

/// How long the cluster may take to be whole again.
const MENDED: Duration = Duration::from_secs(240);

/// The cluster in `OXWHISK_CLUSTER_DIR`.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    binaries: PathBuf,
    roster: Roster,
}

impl Cluster {
    /// The cluster that tests may hurt; `None`, and a line that says so, where there is none.
    ///
    /// # Panics
    /// When there should be one and it cannot be used.
    #[track_caller]
    pub fn to_hurt(test: &str) -> Option<Self> {
        if std::env::var_os(FAULTS_VARIABLE).is_none() {
            report::skipped(
                test,
                &format!("it kills parts of a cluster: make test-faults ({FAULTS_VARIABLE})"),
            );
            return None;
        }
        Some(Self::of_environment())
    }

    /// The cluster that all tests of this run share, for those that look at its parts; `None`, and a line that says so,
    /// where they run against something else.
    ///
    /// # Panics
    /// When there should be one and it cannot be used.
    #[track_caller]
    pub fn to_watch(test: &str) -> Option<Self> {
        if !shared::is_remote() || std::env::var_os(DIR_VARIABLE).is_none() {
            report::skipped(
                test,
                &format!("it is about a cluster: scripts/cluster-test.sh ({DIR_VARIABLE})"),
            );
            return None;
        }
        Some(Self::of_environment())
    }

    #[track_caller]
    fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let users = std::fs::read_to_string(variable(shared::USERS_VARIABLE));
        Self {
            dir: variable(DIR_VARIABLE).into(),
            binaries: variable("BINARIES").into(),
            roster: Roster::from_json(&users.expect("the users of the cluster")).expect("a list of users"),
        }
    }

    /// Its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The edge, without TLS.
    #[track_caller]
    pub fn api(&self) -> Api {
        let url = std::fs::read_to_string(self.dir.join("e2e-api")).expect("the cluster is up");
        Api::from_url(url.trim()).expect("a url")
    }

    /// The namespace of a user by the edge.
    #[track_caller]
    pub fn tenant(&self, which: Special) -> Tenant {
        Tenant::new(self.api(), self.roster.special(which).expect("the roster has this user").clone(), None)
    }

    /// Ends a part as a crash would.
    #[track_caller]
    pub fn kill(&self, part: &str) {
        self.script("kill", part);
    }

    /// Starts a part again with what it has on disk.
    #[track_caller]
    pub fn start(&self, part: &str) {
        self.script("start", part);
    }

    /// Sends a signal to a controller or an invoker.
    #[track_caller]
    pub fn signal(&self, part: &str, signal: Signal) {
        let text = std::fs::read_to_string(self.dir.join("pids").join(part)).expect("the part was started");
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the part runs");
    }

    /// Whether a part runs.
    #[track_caller]
    pub fn runs(&self, part: &str) -> bool {
        self.script("status", "").lines().any(|line| line.starts_with(&format!("{part} runs")))
    }

    #[track_caller]
    fn script(&self, what: &str, part: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cluster.sh");
        let mut command = Command::new(script);
        command.args([what, part]).env("OXWHISK_CLUSTER_DIR", &self.dir).env("BINARIES", &self.binaries);
        let finished = process::run(command);
        assert!(finished.status.success(), "{what} {part}: {finished:?}");
        finished.stdout
    }

    /// What listens where.
    #[track_caller]
    pub fn port(&self, name: &str) -> u16 {
        let ports = std::fs::read_to_string(self.dir.join("ports")).expect("the cluster is up");
        let port = ports.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        port.unwrap_or_else(|| panic!("no port of '{name}' in {ports}"))
    }

    /// Every controller and every invoker.
    pub fn processes(&self) -> Vec<String> {
        let names = ["controller", "invoker"].into_iter().flat_map(|role| self.of_role(role));
        names.collect()
    }

    /// Those of a role, `controller` or `invoker`.
    #[track_caller]
    pub fn of_role(&self, role: &str) -> Vec<String> {
        let ports = std::fs::read_to_string(self.dir.join("ports")).expect("the cluster is up");
        let named = |line: &str| Some(line.strip_prefix("ops-")?.split(' ').next()?.to_owned());
        ports.lines().filter_map(named).filter(|name| name.starts_with(role)).collect()
    }

    /// The pages for operators of a controller or an invoker.
    #[track_caller]
    pub fn ops(&self, part: &str) -> Api {
        Api::from_url(&format!("http://127.0.0.1:{}", self.port(&format!("ops-{part}")))).expect("a url")
    }

    /// What a part has logged.
    #[track_caller]
    pub fn log(&self, part: &str) -> String {
        let path = self.dir.join(format!("logs/{part}.log"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Finds a message of a topic of Kafka, which is read from its beginning.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn find_message<T>(&self, topic: &str, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let logs = Output::in_dir(dir.path(), "kafka");
        let mut command =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services/kafka.sh"));
        command.arg("read").arg(self.dir.join("kafka")).arg(topic);
        logs.attach(&mut command).expect("output files");
        let mut reader = Stopped(command.spawn().expect("a reader of Kafka"));
        let mut read = 0;
        wait::until(what, || {
            let ended = reader.0.try_wait().expect("it can be asked");
            let text = std::fs::read_to_string(&logs.stdout).map_err(|error| error.to_string())?;
            // The last line may not be whole yet.
            let lines = text[read..].split_inclusive('\n').take_while(|line| line.ends_with('\n'));
            for line in lines {
                read += line.len();
                if let Some(found) = wanted(line.trim_end()) {
                    return Ok(found);
                }
            }
            Err(format!("{read} bytes read; ended: {ended:?}; {}", process::tail(&logs.stderr)))
        })
    }

    /// Runs `wskadmin --json` against a controller, with an administrator's certificate.
    ///
    /// # Errors
    /// What it said instead of an answer.
    #[track_caller]
    pub fn admin(&self, controller: &str, args: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(self.binaries.join("wskadmin"));
        let endpoint = format!("127.0.0.1:{}", self.port(&format!("grpc-{controller}")));
        command.args(["--json", "--endpoint", &endpoint, "--tls-dir"]);
        command.arg(self.dir.join("tls/admin-admin")).args(args);
        let finished = process::run(command);
        if !finished.status.success() {
            return Err(format!("{finished:?}"));
        }
        serde_json::from_str(&finished.stdout).map_err(|error| format!("{error}: {finished:?}"))
    }

    /// Waits until both controllers and all three invokers are well, and each controller knows it.
    #[track_caller]
    pub fn wait_until_whole(&self) {
        for controller in ["controller0", "controller1"] {
            wait::until_within(MENDED, &format!("{controller} is ready"), || self.ready(controller));
            let api = Api::from_url(&format!("http://127.0.0.1:{}", self.port(controller))).expect("a url");
            wait::until_within(MENDED, &format!("{controller} knows three healthy invokers"), || {
                let answer =
                    api.get("/invokers/healthy/count").try_send().map_err(|error| error.to_string())?;
                if answer.status == 200 && answer.text().trim() == "3" { Ok(()) } else { Err(answer.text()) }
            });
        }
        for invoker in ["invoker0", "invoker1", "invoker2"] {
            wait::until_within(MENDED, &format!("{invoker} is ready"), || self.ready(invoker));
        }
        wait::until_within(MENDED, "the edge answers", || {
            let answer = self.api().get("/ping").try_send().map_err(|error| error.to_string())?;
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        });
    }

    fn ready(&self, part: &str) -> Result<(), String> {
        let answer = self.ops(part).get("/ready").try_send().map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    }
}

/// Ends with what it was started for.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        process::stop(&mut self.0);
    }
}
