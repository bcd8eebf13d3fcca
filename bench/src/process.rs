//! The processes that are measured: started on free ports and temporary folders, stopped when dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{self, Api};
use crate::client::{Connection, Endpoint, request};

const START_LIMIT: Duration = Duration::from_secs(30);

/// A child that ends with its owner: asked first, then killed.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Self(child))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        // A process that has ended already is what is wanted.
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A standalone server with one subject whose limits do not matter.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    pub(crate) api: Api,
    _folder: Option<TempDir>,
}

impl Server {
    pub(crate) fn start(oxwhisk: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let mut server = Self::start_on(oxwhisk, folder.path())?;
        server._folder = Some(folder);
        Ok(server)
    }

    /// On a data folder that is there already, or is made.
    pub(crate) fn start_on(oxwhisk: &Path, folder: &Path) -> anyhow::Result<Self> {
        let (users, ready, log) = (folder.join("users.json"), folder.join("ready.json"), folder.join("log"));
        fs::write(&users, api::users().to_string())?;
        fs::remove_file(&ready).ok();
        let mut command = Command::new(oxwhisk);
        command.args(["--port", "0", "--data-dir"]).arg(folder.join("data"));
        command.arg("--users").arg(&users).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let process = Process::start(&mut command)?;
        let text = wait_for(|| fs::read_to_string(&ready).ok())
            .with_context(|| format!("the server is not ready; its log is in {}", log.display()))?;
        let ready: Value = serde_json::from_str(&text)?;
        let api = Api::at(ready["api"].as_str().context("an API address")?)?;
        Ok(Self { process, api, _folder: None })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// A runtime started by hand, with an action in it.
#[derive(Debug)]
pub(crate) struct Runtime {
    _process: Process,
    pub(crate) endpoint: Endpoint,
    _folder: TempDir,
}

impl Runtime {
    pub(crate) fn start(mut command: Command, init: &Value) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let socket = folder.path().join("runtime.sock");
        // As in a sandbox: what this shell exports (NODE_EXTRA_CA_CERTS, say) may double the start of an interpreter.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        // It is killed in the end, and the action's files go with the folder.
        command.env("TMPDIR", folder.path());
        command.env("OW_LISTEN", format!("unix:{}", socket.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command)?;
        let endpoint = Endpoint::Unix(socket);
        let mut connection =
            wait_for(|| Connection::open(&endpoint).ok()).context("the runtime does not listen")?;
        let body = json!({"value": init}).to_string();
        let answer = connection.call(&request("POST", "/init", None, body.as_bytes()))?;
        anyhow::ensure!(answer.status == 200, "/init: {}", String::from_utf8_lossy(&answer.body));
        Ok(Self { _process: process, endpoint, _folder: folder })
    }
}

/// nginx that answers a JSON body from its configuration.
#[derive(Debug)]
pub(crate) struct Nginx {
    _process: Process,
    pub(crate) endpoint: Endpoint,
    _folder: TempDir,
}

impl Nginx {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let root = folder.path().display();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {root}/body;\n\
             server {{ listen 127.0.0.1:{port}; default_type application/json; location / {{ return 200 '{{\"ok\":true}}'; }} }} }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command)?;
        let endpoint = Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
        wait_for(|| Connection::open(&endpoint).ok()).context("nginx does not listen")?;
        Ok(Self { _process: process, endpoint, _folder: folder })
    }
}

/// Tries until there is something, within the limit for starting a process.
pub(crate) fn wait_for<T>(mut probe: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("nothing within {} s", START_LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
