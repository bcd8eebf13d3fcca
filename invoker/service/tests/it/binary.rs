//! One process of the real binary.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oxwhisk_settings::Exit;

/// Longer than anything here takes on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Binary {
    child: Child,
    ended: Option<ExitStatus>,
    dir: tempfile::TempDir,
    pub(crate) grpc: SocketAddr,
    ops: SocketAddr,
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

#[expect(clippy::print_stdout, reason = "shown with the test that is skipped")]
pub(crate) fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}

/// The binary with nothing of the test's own environment but where programs are.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invoker"));
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a start that is refused, and gives its code and what it said.
#[track_caller]
pub(crate) fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command();
    let output = dir.path().join("output");
    command.args(arguments).envs(environment.iter().copied()).stdout(Stdio::null());
    let mut child = command.stderr(File::create(&output).unwrap()).spawn().unwrap();
    let status = wait(&mut child, LIMIT).unwrap_or_else(|| {
        let _ = child.kill();
        panic!("it does not end: {}", read(&output))
    });
    (status.code().unwrap_or(-1), read(&output))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

impl Binary {
    /// Starts invoker 3 with ports and a directory of its own.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (grpc, ops) = (free_port(), free_port());
        let data = dir.path().join("data");
        let mut command = command();
        command
            .args(["--id", "3", "--grpc-listen", &grpc.to_string(), "--ops-listen", &ops.to_string()])
            .arg("--data-dir")
            .arg(&data)
            .arg("--ready-file")
            .arg(dir.path().join("ready"))
            .envs([("WHISK_API_HOST_NAME", "example.org"), ("CONFIG_whisk_containerPool_userMemory", "2g")])
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("log")).unwrap());
        let child = command.spawn().unwrap();
        Self { child, ended: None, dir, grpc, ops }
    }

    pub(crate) fn log(&self) -> String {
        read(&self.dir.path().join("log"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `--ready-file` says, once it is there.
    pub(crate) fn ready_file(&self) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join("ready")).ok()
    }

    /// Asks the operators' server; `None` while nobody listens.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.ops).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// Waits until `holds` gives something. `None` when the machine cannot isolate actions: there is nothing to test then.
    ///
    /// # Panics
    /// When it ends for another reason, or that does not come.
    pub(crate) fn until<T>(
        &mut self,
        test: &str,
        what: &str,
        mut holds: impl FnMut(&Self) -> Option<T>,
    ) -> Option<T> {
        let begin = Instant::now();
        loop {
            if let Some(found) = holds(self) {
                return Some(found);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                self.ended = Some(status);
                let log = self.log();
                if status.code() == Some(Exit::System.code().into()) {
                    skip(test, log.lines().last().unwrap_or("actions cannot be isolated here"));
                    return None;
                }
                panic!("it ended, {status}: {log}");
            }
            assert!(begin.elapsed() < LIMIT, "not in time: {what}; {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until readiness lacks nothing but `parts`.
    pub(crate) fn until_unready_only_for(&mut self, test: &str, parts: &[&str]) -> Option<()> {
        self.until(test, "the rest is up", |binary| {
            let (status, body) = binary.get("/ready")?;
            let answer: serde_json::Value = serde_json::from_str(&body).ok()?;
            let reasons = answer["reasons"].as_array()?.iter();
            let unready: Vec<&str> = reasons.filter_map(|reason| reason["part"].as_str()).collect();
            (status == 503 && unready == parts).then_some(())
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> i32 {
        let Some(status) = wait(&mut self.child, LIMIT) else { panic!("it does not end: {}", self.log()) };
        status.code().unwrap_or_else(|| panic!("{status}: {}", self.log()))
    }
}

impl Drop for Binary {
    /// As a supervisor does: what it made is to be removed even if the test failed.
    fn drop(&mut self) {
        if self.ended.is_none() && self.runs() {
            self.signal(Signal::SIGTERM);
            if wait(&mut self.child, LIMIT).is_none() {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}
