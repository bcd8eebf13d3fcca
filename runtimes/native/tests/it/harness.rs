//! A proxy process with its socket and log files, and a small HTTP client.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";
/// Far beyond what anything here takes; reached only by a fault.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until a condition holds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < DEADLINE, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A running proxy; ended and tidied up when dropped.
pub(crate) struct Proxy {
    pub(crate) child: Child,
    folder: TempDir,
    stream: BufReader<UnixStream>,
}

/// An answer: status and body as JSON.
pub(crate) type Answer = (u16, Value);

impl Proxy {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a proxy with further variables in its environment.
    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oxwhisk-runtime-native"));
        command.envs(env.iter().copied());
        Self::spawn(command)
    }

    /// Starts a command that becomes a proxy.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("proxy.sock");
        let child = command
            .env("OW_LISTEN", format!("unix:{}", socket.display()))
            .env("TMPDIR", folder.path())
            .stdout(File::create(folder.path().join("stdout")).unwrap())
            .stderr(File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        wait_for("the proxy's socket", || UnixStream::connect(&socket).is_ok());
        let stream = BufReader::new(connect(&socket));
        Self { child, folder, stream }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("proxy.sock")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Everything logged so far.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.folder.path().join("stdout")).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        post(&mut self.stream, path, body)
    }

    pub(crate) fn init_value(&mut self, value: &Value) -> Answer {
        self.post("/init", &json!({ "value": value }).to_string())
    }

    /// Initialises with a script, and expects that to work.
    pub(crate) fn init_script(&mut self, script: &str) {
        assert_eq!(self.init_value(&json!({ "name": "test", "main": "main", "code": script })), ok());
    }

    /// Initialises with bytes as base64.
    pub(crate) fn init_binary(&mut self, bytes: &[u8]) -> Answer {
        self.init_value(&json!({ "name": "test", "code": STANDARD.encode(bytes), "binary": true }))
    }

    pub(crate) fn run(&mut self, value: &Value) -> Answer {
        self.post("/run", &activation(value))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A `/run` body as the invoker sends it.
pub(crate) fn activation(value: &Value) -> String {
    json!({
        "value": value,
        "namespace": "guest",
        "action_name": "/guest/test",
        "action_version": "0.0.1",
        "activation_id": "0123456789abcdef0123456789abcdef",
        "transaction_id": "tid_1",
        "deadline": "1690000060000",
        "api_key": "uuid:key",
    })
    .to_string()
}

pub(crate) fn ok() -> Answer {
    (200, json!({ "ok": true }))
}

pub(crate) fn error(status: u16, message: &str) -> Answer {
    (status, json!({ "error": message }))
}

pub(crate) fn connect(socket: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

pub(crate) fn post(stream: &mut BufReader<UnixStream>, path: &str, body: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nHost: action\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    read_answer(stream)
}

/// Reads one answer, which must carry its length.
pub(crate) fn read_answer(stream: &mut impl BufRead) -> Answer {
    let (mut line, mut length) = (String::new(), None);
    stream.read_line(&mut line).unwrap();
    let status =
        line.split(' ').nth(1).unwrap_or_else(|| panic!("no status line: {line:?}")).parse().unwrap();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = Some(value.trim().parse().unwrap());
        }
    }
    let mut body = vec![0; length.expect("a content-length")];
    stream.read_exact(&mut body).unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// An ActionLoop script: a header, and a shell body that sees each line as `$line` and answers on descriptor 3.
pub(crate) fn shell_loop(body: &str) -> String {
    format!("#!/bin/sh\nwhile IFS= read -r line; do\n{body}\ndone\n")
}

/// The no-op ActionLoop program of this package.
pub(crate) fn echo_program() -> Vec<u8> {
    fs::read(env!("CARGO_BIN_EXE_actionloop-echo")).unwrap()
}

/// Whether an interpreter is here; says so on the test's output if not.
pub(crate) fn has(interpreter: &str) -> bool {
    let found = std::path::Path::new(interpreter).exists();
    if !found {
        println!("skipped: {interpreter} is not installed");
    }
    found
}
