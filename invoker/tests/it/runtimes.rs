//! The real runtime servers of this project, as plain child processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::stream;
use oxwhisk_container::{
    Container, ContainerError, ContainerFactory, ContainerSpec, CreateError, Endpoint, ExitReason, LogChunk,
    LogOrigin, LogStream,
};
use oxwhisk_invoker::Invoker;
use oxwhisk_invoker_api::{ActionDescriptor, InvokerClient};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

use crate::fixture::{Codes, Records, action, config, dispatch, has_init_time, result};

#[derive(Debug)]
struct ProcessFactory {
    folder: tempfile::TempDir,
    program: &'static str,
    server: PathBuf,
}

struct Process {
    name: String,
    endpoint: Endpoint,
    child: tokio::sync::Mutex<Child>,
    logs: Mutex<Option<LogStream>>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

fn chunks(pipe: impl AsyncRead + Unpin + Send + 'static, origin: LogOrigin) -> LogStream {
    Box::pin(stream::unfold(pipe, move |mut pipe| async move {
        let mut bytes = BytesMut::with_capacity(8192);
        let read = pipe.read_buf(&mut bytes).await.unwrap_or(0);
        let time = SystemTime::now();
        (read > 0).then(|| (LogChunk { origin, time, bytes: bytes.freeze() }, pipe))
    }))
}

#[async_trait]
impl ContainerFactory for ProcessFactory {
    async fn cleanup(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        let socket = self.folder.path().join(&spec.name);
        let mut child = tokio::process::Command::new(self.program)
            .arg(&self.server)
            .envs(spec.env)
            .env("OW_LISTEN", format!("unix:{}", socket.display()))
            // Killed, it leaves the action's files, which go with the folder.
            .env("TMPDIR", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| CreateError::Platform(error.to_string()))?;
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let logs = stream::select(chunks(stdout, LogOrigin::Stdout), chunks(stderr, LogOrigin::Stderr));
        Ok(Arc::new(Process {
            name: spec.name,
            endpoint: Endpoint::Unix(socket),
            child: tokio::sync::Mutex::new(child),
            logs: Mutex::new(Some(Box::pin(logs))),
        }))
    }
}

#[async_trait]
impl Container for Process {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn take_logs(&self) -> Option<LogStream> {
        self.logs.lock().unwrap().take()
    }

    async fn suspend(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn exit_reason(&self) -> Option<ExitReason> {
        let mut child = self.child.lock().await;
        let status = tokio::time::timeout(Duration::from_millis(100), child.wait()).await.ok()?.ok()?;
        Some(ExitReason::Exited(status.code().unwrap_or(-1)))
    }

    async fn destroy(&self) -> Result<(), ContainerError> {
        let mut child = self.child.lock().await;
        child.kill().await.map_err(|error| ContainerError(error.to_string()))
    }
}

/// One runtime: what runs it, and an action of it.
struct Runtime {
    program: &'static str,
    server: &'static str,
    kind: &'static str,
    code: &'static str,
}

const NODEJS: Runtime = Runtime {
    program: "node",
    server: "runtimes/nodejs/server.js",
    kind: "nodejs:20",
    code: "function main(args) {
        console.log('hello', args.name);
        console.error('careful');
        if (args.chatty) for (let n = 0; n < 20000; n++) console.log('a line to fill the pipe');
        if (args.die) process.exit(3);
        if (args.loop) while (true) {}
        if (args.fail) return {error: 'asked for'};
        return {greeting: 'Hello ' + args.name, attempt: process.env.__OW_ATTEMPT};
    }",
};

const PYTHON: Runtime = Runtime {
    program: "python3",
    server: "runtimes/python/server.py",
    kind: "python:3",
    code: "import os, sys, time
def main(args):
    print('hello', args['name'])
    print('careful', file=sys.stderr)
    if args.get('chatty'):
        for n in range(20000): print('a line to fill the pipe')
    if args.get('die'): os._exit(3)
    while args.get('loop'): pass
    if args.get('fail'): return {'error': 'asked for'}
    return {'greeting': 'Hello ' + args['name'], 'attempt': os.environ['__OW_ATTEMPT']}
",
};

impl Runtime {
    /// `None`, with a word about it, where the interpreter is missing.
    fn server(&self) -> Option<PathBuf> {
        let found =
            Command::new(self.program).arg("--version").output().is_ok_and(|out| out.status.success());
        if !found {
            eprintln_skipped(self);
            return None;
        }
        Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.server))
    }

    fn action(&self) -> ActionDescriptor {
        ActionDescriptor { kind: self.kind.to_owned(), ..action("hello") }
    }
}

#[expect(clippy::print_stderr, reason = "the one who reads the test's output is told what was not tested")]
fn eprintln_skipped(runtime: &Runtime) {
    eprintln!("skipped: there is no {} on this machine, which {} needs", runtime.program, runtime.server);
}

async fn conforms(runtime: Runtime) {
    let Some(server) = runtime.server() else { return };
    let factory = ProcessFactory { folder: tempfile::tempdir().unwrap(), program: runtime.program, server };
    let (codes, records) = (Arc::new(Codes::default()), Arc::new(Records::default()));
    codes.0.lock().unwrap().insert("hello".to_owned(), Ok(runtime.code.to_owned()));
    let invoker = Invoker::start(config(), Arc::new(factory), codes, records, None).await.unwrap();
    // On a worker, as in the server.
    let run = async |arguments| {
        let (invoker, dispatch) = (Arc::clone(&invoker), dispatch(&runtime.action(), &arguments));
        tokio::spawn(async move { invoker.dispatch(dispatch).await }).await.unwrap().unwrap()
    };

    for cold in [true, false, false] {
        let completion = run(json!({"name": "World"})).await;
        assert_eq!(result(&completion), (0, json!({"greeting": "Hello World", "attempt": "1"})));
        assert_eq!(has_init_time(&completion), cold);
        let mut logs: Vec<_> = completion.activation.logs.iter().map(|line| &line[31..]).collect();
        logs.sort_unstable();
        assert_eq!(logs, ["stderr: careful", "stdout: hello World"]);
    }
    let chatty = run(json!({"name": "x", "chatty": true})).await;
    assert_eq!((result(&chatty).0, chatty.activation.logs.len()), (0, 20_002), "read while it runs");
    assert_eq!(invoker.metrics().late_logs, 0, "both sentinels precede the answer");
    assert_eq!(result(&run(json!({"name": "x", "fail": true})).await), (1, json!({"error": "asked for"})));
    assert!(!has_init_time(&run(json!({"name": "x"})).await));
    let died = json!({"error": "The action did not produce a valid response and exited unexpectedly."});
    assert_eq!(result(&run(json!({"name": "x", "die": true})).await), (2, died));

    let mut endless = dispatch(&runtime.action(), &json!({"name": "x", "loop": true}));
    let mut short = runtime.action();
    short.limits.timeout = 3000;
    short.revision = oxwhisk_core::id::Revision("2-b".to_owned());
    endless.action = Arc::new(short);
    let timed_out = json!({"error": "The action exceeded its time limits of 3000 milliseconds."});
    assert_eq!(result(&invoker.dispatch(endless).await.unwrap()), (2, timed_out));
    assert!(invoker.shutdown(Instant::now() + Duration::from_secs(20)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodejs() {
    conforms(NODEJS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    conforms(PYTHON).await;
}
