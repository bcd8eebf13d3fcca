//! A factory with two small runtimes to put code into: one that evaluates Python sent over its socket, one that is
//! a shell script.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oxwhisk_container::{Container, ContainerFactory, ContainerSpec, CreateError, Endpoint, LogOrigin};
use oxwhisk_sandbox::{
    Builtin, Interpreter, NetworkConfig, RuntimeContents, RuntimeFile, RuntimeSpec, SandboxConfig,
    SandboxFactory,
};

use crate::harness::Outcome;

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Evaluates what it is sent, in a thread of its own, and answers with the value of `result`, or with the error.
const SERVER: &str = r#"
import ctypes, json, os, socket, sys, threading, traceback
FORKED = 'OW_ZYGOTE' in os.environ
if FORKED:
    zygote = ctypes.PyDLL(os.environ['OW_ZYGOTE']).oxwhisk_zygote_serve
    zygote.restype = ctypes.c_char_p
    api = ctypes.pythonapi
    hooks = [api.PyOS_BeforeFork, api.PyOS_AfterFork_Parent, api.PyOS_AfterFork_Child]
    environment = zygote(*[ctypes.cast(hook, ctypes.c_void_p) for hook in hooks])
    if environment is None: sys.exit()
    os.environ.clear()
    os.environ.update(entry.split('=', 1) for entry in json.loads(environment))
def serve(connection):
    code = b''
    while True:
        part = connection.recv(65536)
        if not part: break
        code += part
    names = {'result': None, 'FORKED': FORKED}
    try:
        exec(code.decode(), names)
        answer = repr(names['result'])
    except BaseException as error:
        answer = 'ERROR ' + repr(error)
    connection.sendall(answer.encode())
    connection.close()
server = socket.socket(socket.AF_UNIX)
server.bind(os.environ['OW_LISTEN'].removeprefix('unix:'))
server.listen(16)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"#;

/// Programs that need no executing.
pub(crate) const BUILTINS: &[Builtin] = &[];

/// Whether Python is forked from a zygote or started.
pub(crate) static FORKING: AtomicBool = AtomicBool::new(false);

/// Cargo puts the library beside this program.
fn zygote_library() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("liboxwhisk_sandbox_zygote.so")
}

/// Runs an async test body on a runtime of its own.
pub(crate) fn block_on<F: Future<Output = Outcome>>(body: F) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body)
}

/// The configuration the tests start from.
pub(crate) fn config(state_dir: &Path) -> SandboxConfig {
    let mut config = SandboxConfig::new(state_dir);
    let script = "/opt/test/server.py";
    let library = "/opt/test/zygote.so";
    let forking = FORKING.load(Ordering::Relaxed);
    config.runtimes = vec![
        RuntimeSpec {
            kinds: vec!["python".into()],
            interpreter: Some(Interpreter::Python("python3".into())),
            argv: vec![script.into()],
            files: vec![
                RuntimeFile {
                    path: script.into(),
                    contents: RuntimeContents::Bytes(SERVER.as_bytes()),
                    executable: false,
                },
                RuntimeFile {
                    path: library.into(),
                    contents: RuntimeContents::File(zygote_library()),
                    executable: true,
                },
            ],
            env: vec![("PYTHONUNBUFFERED".into(), "1".into())],
            working_dir: "/tmp".into(),
            builtin: None,
            zygote: forking.then(|| library.into()),
        },
        RuntimeSpec {
            kinds: vec!["sh:1".into()],
            interpreter: None,
            argv: vec!["/bin/sh".into(), "-c".into(), "eval \"$SCRIPT\"".into()],
            files: Vec::new(),
            env: Vec::new(),
            working_dir: "/".into(),
            builtin: None,
            zygote: None,
        },
    ];
    config.max_sandboxes = 20;
    config.max_processes = 64;
    config.tmp_size = 16 << 20;
    config.network = NetworkConfig { api_port: 3233, ..NetworkConfig::default() };
    config.step_timeout = LIMIT;
    config
}

/// A running factory and the directory it lives in.
pub(crate) struct Rig {
    pub(crate) factory: SandboxFactory,
    pub(crate) directory: tempfile::TempDir,
}

impl Rig {
    /// Starts a factory; `Err` with the reason where the machine cannot run one.
    pub(crate) async fn start() -> Result<Self, String> {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut SandboxConfig)) -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(directory.path());
        change(&mut config);
        let factory = SandboxFactory::start(config).await.map_err(|error| error.to_string());
        match factory {
            Ok(factory) => Ok(Self { factory, directory }),
            Err(error) if error.starts_with("this machine cannot") => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    /// A container of the Python runtime; a fork, where the tests are about forks.
    pub(crate) async fn python(&self, name: &str) -> Action {
        let wanted = if FORKING.load(Ordering::Relaxed) { "True" } else { "False" };
        let deadline = Instant::now() + LIMIT;
        loop {
            let action = Action::new(self.factory.create(spec(name, "python:3", &[])).await.unwrap());
            if action.run("result = FORKED").await == wanted {
                return action;
            }
            // The first ones come before their zygote.
            assert!(Instant::now() < deadline, "there is no zygote");
            action.end().await;
        }
    }

    /// Runs a shell script to its end (or the time limit) and returns what it wrote.
    pub(crate) async fn shell(&self, name: &str, script: &str) -> String {
        let container = self.script(name, script).await.unwrap();
        let text = read_to_end(&*container).await;
        container.destroy().await.unwrap();
        text
    }

    /// Starts a shell script.
    pub(crate) async fn script(&self, name: &str, script: &str) -> Result<Arc<dyn Container>, CreateError> {
        self.factory.create(spec(name, "sh:1", &[("SCRIPT", script)])).await
    }

    pub(crate) async fn end(self) {
        self.factory.shutdown().await.unwrap();
    }
}

/// A container with 256 MiB.
pub(crate) fn spec(name: &str, kind: &str, env: &[(&str, &str)]) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        kind: kind.into(),
        image: "none".into(),
        user_provided_image: false,
        memory: 256 << 20,
        cpu_shares: 256,
        env: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    }
}

/// Everything a container writes until it ends, standard error marked.
pub(crate) async fn read_to_end(container: &dyn Container) -> String {
    use futures_util::StreamExt;
    let mut logs = container.take_logs().unwrap();
    let mut text = String::new();
    let collect = async {
        while let Some(chunk) = logs.next().await {
            let mark = if chunk.origin == LogOrigin::Stderr { "E:" } else { "" };
            text.push_str(&format!("{mark}{}", String::from_utf8_lossy(&chunk.bytes)));
        }
    };
    tokio::time::timeout(LIMIT, collect).await.expect("the output did not end");
    text
}

/// A container of the Python runtime.
pub(crate) struct Action {
    pub(crate) container: Arc<dyn Container>,
}

impl Action {
    fn new(container: Arc<dyn Container>) -> Self {
        Self { container }
    }

    /// What `result` is after the code has run, as Python writes it, or `ERROR` and the exception.
    pub(crate) async fn run(&self, code: &str) -> String {
        self.try_run(code).await.unwrap_or_else(|error| panic!("{code}: {error}"))
    }

    pub(crate) async fn try_run(&self, code: &str) -> std::io::Result<String> {
        let Endpoint::Unix(path) = self.container.endpoint().clone() else { panic!("not a unix socket") };
        let code = code.to_owned();
        let call = tokio::task::spawn_blocking(move || {
            let mut stream = connect(&path)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(code.as_bytes())?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        call.await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.container.destroy().await.unwrap();
    }
}

/// The server may need a moment before it listens.
fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match UnixStream::connect(path) {
            Err(error) if Instant::now() < deadline && error.kind() == std::io::ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error)
                if Instant::now() < deadline && error.kind() == std::io::ErrorKind::ConnectionRefused =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
