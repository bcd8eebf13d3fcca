//! A cluster of processes on this machine, by `scripts/cluster.sh`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{self, Api};
use crate::report;

const SCRIPT: &str = "scripts/cluster.sh";
/// Between two looks at the lengths of queues; each look is a process of its own.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for queues to empty: a store that lags may have much to write.
const EMPTY_LIMIT: Duration = Duration::from_secs(600);

/// Goes down when it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: TempDir,
    binaries: PathBuf,
    /// One controller, without the edge.
    pub(crate) api: Api,
}

impl Cluster {
    /// Starts one with the binaries in a folder, and waits until it is ready.
    pub(crate) fn start(binaries: &Path, invokers: u32, memory: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let users = folder.path().join("users.json");
        fs::write(&users, api::users().to_string())?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // Whoever interrupts this program finds here what to take down.
        println!(
            "{}",
            json!({"cluster": state(folder.path()), "down": format!("OXWHISK_CLUSTER_DIR=... {SCRIPT} down")})
        );
        let mut up = script(folder.path(), binaries, "up");
        up.env("OXWHISK_E2E_USERS", &users).env("OXWHISK_CLUSTER_PORT", port.to_string());
        up.env("OXWHISK_CLUSTER_INVOKERS", invokers.to_string()).env("OXWHISK_CLUSTER_MEMORY", memory);
        // The stand-in of CouchDB takes a millisecond of processor a record. It may lag; it must not be what is measured.
        up.env("OXWHISK_COUCHDB_NICE", "19");
        // As in production: with the quick compiler that tests start faster with, its threads take twice as long.
        up.env("OXWHISK_KAFKA_TIERS", "4");
        ensure!(up.status()?.success(), "the cluster does not start");
        let url = fs::read_to_string(state(folder.path()).join("e2e-wire-api"))?;
        Ok(Self { api: Api::at(url.trim())?, folder, binaries: binaries.to_owned() })
    }

    /// Resident kilobytes of one of its processes, by its name in the script.
    pub(crate) fn memory(&self, name: &str) -> anyhow::Result<u64> {
        let file = state(self.folder.path()).join("pids").join(name);
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let pid = text.split_whitespace().next().context("a process id")?.parse()?;
        Ok(report::memory(pid).0)
    }

    /// Messages in some queues that are not done.
    pub(crate) fn depth(&self, queues: &[&str]) -> anyhow::Result<u64> {
        let state = state(self.folder.path());
        let ports = fs::read_to_string(state.join("ports"))?;
        let port = ports.lines().find_map(|line| line.strip_prefix("grpc-controller0 ")).context("a port")?;
        let mut command = Command::new(self.binaries.join("wskadmin"));
        command.args(["--json", "--endpoint", &format!("127.0.0.1:{port}"), "--tls-dir"]);
        let output = command.arg(state.join("tls/admin-admin")).args(["queue", "depth"]).output()?;
        ensure!(output.status.success(), "wskadmin: {}", String::from_utf8_lossy(&output.stderr));
        let depths: Value = serde_json::from_slice(&output.stdout)?;
        queues.iter().map(|queue| depths[queue].as_u64().with_context(|| format!("depth of {queue}"))).sum()
    }

    /// Waits until these queues are empty.
    pub(crate) fn wait_empty(&self, queues: &[&str]) -> anyhow::Result<()> {
        let deadline = Instant::now() + EMPTY_LIMIT;
        loop {
            let depth = self.depth(queues)?;
            if depth == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{depth} messages are left in {queues:?} after {} s", EMPTY_LIMIT.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Cluster {
    #[expect(clippy::print_stderr, reason = "the rows are on the standard output")]
    fn drop(&mut self) {
        match script(self.folder.path(), &self.binaries, "down").status() {
            Ok(status) if status.success() => {}
            outcome => eprintln!("the cluster did not go down: {outcome:?}"),
        }
    }
}

fn state(folder: &Path) -> PathBuf {
    folder.join("cluster")
}

/// The rows are on the standard output, so what the script says goes nowhere; its faults are on the standard error.
fn script(folder: &Path, binaries: &Path, verb: &str) -> Command {
    let mut command = Command::new(SCRIPT);
    command.arg(verb).env("OXWHISK_CLUSTER_DIR", state(folder)).env("BINARIES", binaries);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
