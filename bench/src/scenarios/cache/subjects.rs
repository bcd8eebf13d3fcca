//! What is measured: a Redis, and what stands before it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, wait_for};

/// The one Redis that all have behind them: over TCP for clients and twemproxy, on a unix socket for the proxy.
pub(super) struct Backend {
    _process: Process,
    folder: TempDir,
    port: u16,
}

/// What a client talks to.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) token: Option<String>,
    /// Tokens that are alive.
    pub(super) tokens: usize,
    /// Of the process in between.
    pub(super) pid: Option<u32>,
    _twemproxy: Option<Process>,
    _ours: Option<Ours>,
}

/// Our proxy, which ends when its standard input does.
struct Ours(Child, Option<ChildStdin>);

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.1.take());
        // It has been asked to end, and has nothing to lose.
        self.0.wait().ok();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Backend {
    pub(super) fn start() -> anyhow::Result<Self> {
        let (folder, port) = (TempDir::new()?, free_port()?);
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--unixsocket"]);
        command.arg(folder.path().join("redis.sock")).arg("--dir").arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = Process::start(&mut command).context("redis-server (Debian package redis-server)")?;
        wait_for(|| TcpStream::connect(("127.0.0.1", port)).ok()).context("redis-server does not listen")?;
        Ok(Self { _process: process, folder, port })
    }

    pub(super) fn flush(&self) -> anyhow::Result<()> {
        let mut command = Command::new("redis-cli");
        let flushed =
            command.args(["-p", &self.port.to_string(), "FLUSHALL"]).stdout(Stdio::null()).status()?;
        anyhow::ensure!(flushed.success(), "redis-cli FLUSHALL: {flushed}");
        Ok(())
    }
}

/// Directly, twemproxy where it is installed, and ours with so many tokens each.
pub(super) fn all(backend: &Backend, tokens: &[usize]) -> anyhow::Result<Vec<Subject>> {
    let direct = Subject {
        name: "direct",
        port: backend.port,
        token: None,
        tokens: 0,
        pid: None,
        _twemproxy: None,
        _ours: None,
    };
    let mut all = vec![direct];
    match twemproxy(backend) {
        Ok(subject) => all.push(subject),
        Err(error) => {
            println!("{}", json!({"scenario": "cache", "skipped": "twemproxy", "why": format!("{error:#}")}));
        }
    }
    for tokens in tokens {
        all.push(ours(backend, *tokens)?);
    }
    Ok(all)
}

fn twemproxy(backend: &Backend) -> anyhow::Result<Subject> {
    let (port, stats) = (free_port()?, free_port()?);
    let path = backend.folder.path().join("twemproxy.yml");
    let server = backend.port;
    // One connection to the server, as it has by default; no hashing over several.
    let text = format!(
        "pool:\n  listen: 127.0.0.1:{port}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  servers:\n   - 127.0.0.1:{server}:1\n"
    );
    fs::write(&path, text)?;
    let mut command = Command::new("nutcracker");
    command.arg("-c").arg(&path).args(["-s", &stats.to_string(), "-a", "127.0.0.1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process::start(&mut command).context("nutcracker (Debian package nutcracker)")?;
    wait_for(|| TcpStream::connect(("127.0.0.1", port)).ok()).context("twemproxy does not listen")?;
    let pid = Some(process.id());
    Ok(Subject {
        name: "twemproxy",
        port,
        token: None,
        tokens: 0,
        pid,
        _twemproxy: Some(process),
        _ours: None,
    })
}

fn ours(backend: &Backend, tokens: usize) -> anyhow::Result<Subject> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("cache-server").arg("--socket").arg(backend.folder.path().join("redis.sock"));
    command.args(["--tokens", &tokens.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("start the proxy")?;
    let (input, output) = (child.stdin.take(), child.stdout.take().context("its output")?);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line).context("what the proxy says at its start")?;
    let port = said["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("its port")?;
    let token = said["token"].as_str().map(str::to_owned);
    let pid = Some(child.id());
    Ok(Subject {
        name: "oxwhisk",
        port,
        token,
        tokens,
        pid,
        _twemproxy: None,
        _ours: Some(Ours(child, input)),
    })
}
