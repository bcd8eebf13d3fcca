//! One process of the real `oxwhisk` binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Api;
use crate::process::{self, Logs, Reaper};
use crate::tenant::Tenant;
use crate::users::{Roster, Special};
use crate::wait;

/// How many plain users a local server knows; every test takes one.
pub const PLAIN_USERS: usize = 300;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    roster: Roster,
    data_dir: Option<PathBuf>,
    manifest: Option<Value>,
    config_file: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new(Roster::generate(PLAIN_USERS))
    }
}

impl ServerOptions {
    /// A server that knows the users of `roster` and forgets its data when it is dropped.
    pub fn new(roster: Roster) -> Self {
        Self { roster, data_dir: None, manifest: None, config_file: None, environment: Vec::new() }
    }

    /// Keeps the data in `dir`, which outlives the server.
    pub fn data_dir(mut self, dir: &Path) -> Self {
        self.data_dir = Some(dir.to_owned());
        self
    }

    /// Replaces the runtimes manifest.
    pub fn manifest(mut self, manifest: Value) -> Self {
        self.manifest = Some(manifest);
        self
    }

    /// Gives the server a configuration file.
    pub fn config_file(mut self, path: &str) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// Sets an environment variable of the server.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn data_dir_in(&self, dir: &Path) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| dir.join("data"))
    }

    fn command(&self, dir: &Path) -> Result<Command, String> {
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            Ok::<_, String>(path)
        };
        let mut command = Command::new(binary()?);
        command
            .args(["--port", "0", "--ready-file"])
            .arg(dir.join(READY_FILE))
            .arg("--data-dir")
            .arg(self.data_dir_in(dir))
            .arg("--users")
            .arg(write("users.json", &self.roster.to_json())?);
        if let Some(manifest) = &self.manifest {
            command.arg("--manifest").arg(write("manifest.json", &manifest.to_string())?);
        }
        if let Some(path) = &self.config_file {
            command.arg("--config-file").arg(path);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

const READY_FILE: &str = "ready.json";
const START_PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test: `OXWHISK_BIN`, else `oxwhisk` beside the test executables.
///
/// # Errors
/// When there is no such file.
pub fn binary() -> Result<PathBuf, String> {
    let path = match std::env::var_os("OXWHISK_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let test = std::env::current_exe().map_err(|e| format!("own path unknown: {e}"))?;
            // Test executables are in <profile>/deps, binaries in <profile>.
            let profile = test.ancestors().nth(2).ok_or("test executable has no target directory")?;
            profile.join("oxwhisk")
        }
    };
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("no server binary at {}: build it (`cargo build`) or set OXWHISK_BIN", path.display()))
    }
}

/// A running server. Dropping it ends the process and, unless it keeps its data elsewhere, removes its files.
#[derive(Debug)]
pub struct Server {
    child: Child,
    api: Api,
    roster: Roster,
    logs: Logs,
    reaper: Reaper,
    data_dir: PathBuf,
    // Last: removed after the process has ended.
    _dir: TempDir,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready; the message has its output.
    #[track_caller]
    pub fn start(options: &ServerOptions) -> Self {
        match Self::try_start(options) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or stays silent instead; the text has its output.
    pub fn try_start(options: &ServerOptions) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("oxwhisk-e2e-")
            .tempdir()
            .map_err(|e| format!("no temporary directory: {e}"))?;
        let logs = Logs::in_dir(dir.path());
        let mut command = options.command(dir.path())?;
        logs.attach(&mut command).map_err(|e| format!("no log files: {e}"))?;
        let mut child = command.spawn().map_err(|e| format!("cannot start {command:?}: {e}"))?;
        let guarded = Reaper::guard(child.id(), dir.path()).map_err(|e| format!("cannot start /bin/sh: {e}"));
        let ready = guarded.and_then(|reaper| Ok((reaper, await_ready(&mut child, dir.path())?)));
        match ready {
            Ok((reaper, api)) => {
                let data_dir = options.data_dir_in(dir.path());
                Ok(Self { child, api, roster: options.roster.clone(), logs, reaper, data_dir, _dir: dir })
            }
            Err(reason) => {
                process::stop(&mut child);
                let output = [&logs.stdout, &logs.stderr].map(|path| process::tail(path)).join("\n");
                Err(format!("the server did not get ready: {reason}; its output:\n{output}"))
            }
        }
    }

    /// Where its API is.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Who may log in.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its output files.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The namespace of the `n`th plain user.
    #[track_caller]
    pub fn tenant(&self, n: usize) -> Tenant {
        let user = self.roster.plain(n).expect("the roster has this user");
        Tenant::new(self.api.clone(), user.clone(), Some(self.logs.clone()))
    }

    /// The namespace of a special user.
    #[track_caller]
    pub fn special(&self, which: Special) -> Tenant {
        let user = self.roster.special(which).expect("the roster has this user");
        Tenant::new(self.api.clone(), user.clone(), Some(self.logs.clone()))
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        process::signal(&self.child, signal).expect("the server runs");
    }

    /// Ends the process without any warning, as a crash does, and waits until it is gone.
    pub fn kill9(mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server can be waited for");
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        process::wait_exit(&mut self.child, wait::DEADLINE).expect("the server ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::stop(&mut self.child);
        self.reaper.dismiss();
        if std::thread::panicking() {
            self.logs.print_tail();
        }
    }
}

fn await_ready(child: &mut Child, dir: &Path) -> Result<Api, String> {
    let start = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(dir.join(READY_FILE)) {
            return parse_ready(&text, child.id());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}"));
        }
        if start.elapsed() > START_PATIENCE {
            return Err(format!("no ready file after {START_PATIENCE:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn parse_ready(text: &str, pid: u32) -> Result<Api, String> {
    let ready: Value = serde_json::from_str(text).map_err(|e| format!("ready file '{text}': {e}"))?;
    if ready["pid"].as_u64() != Some(u64::from(pid)) {
        return Err(format!("ready file '{text}' names another process than {pid}"));
    }
    Api::from_url(ready["api"].as_str().ok_or_else(|| format!("ready file '{text}' has no api"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_file_must_be_of_the_process_that_was_started() {
        let text = r#"{"api":"http://127.0.0.1:4","pid":7}"#;
        assert_eq!(parse_ready(text, 7).expect("valid").url(), "http://127.0.0.1:4");
        assert!(parse_ready(text, 8).is_err());
        assert!(parse_ready("{}", 7).is_err());
    }
}
