//! Containers that are tasks of the test.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oxwhisk_container::{
    Container, ContainerError, ContainerFactory, ContainerSpec, CreateError, Endpoint, ExitReason, LogStream,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Path and `traceparent` of every request to a container.
pub(crate) type Traces = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Debug)]
pub(crate) struct Factory {
    directory: TempDir,
    pub(crate) traces: Traces,
}

#[derive(Debug)]
struct Served {
    name: String,
    endpoint: Endpoint,
    ended: CancellationToken,
}

impl Factory {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), traces: Traces::default() }
    }
}

#[async_trait]
impl ContainerFactory for Factory {
    async fn cleanup(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        let path = self.directory.path().join(&spec.name);
        let ended = CancellationToken::new();
        let listener = UnixListener::bind(&path).expect("a socket");
        let (traces, serving) = (Arc::clone(&self.traces), ended.clone());
        tokio::spawn(async move { serving.run_until_cancelled(serve(listener, traces)).await });
        Ok(Arc::new(Served { name: spec.name, endpoint: Endpoint::Unix(Path::new(&path).into()), ended }))
    }
}

async fn serve(listener: UnixListener, traces: Traces) {
    while let Ok((stream, _)) = listener.accept().await {
        // One request at a time: the pool keeps one connection.
        if connection(stream, &traces).await.is_none() {
            return;
        }
    }
}

/// `None` when an action asked the container to end.
async fn connection(mut stream: UnixStream, traces: &Traces) -> Option<()> {
    let mut input = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return Some(());
        }
        input.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
        let Some((head, body)) = input.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if body.len() < header("Content-Length").and_then(|length| length.parse().ok()).expect("a length") {
            continue;
        }
        let path = head.split(' ').nth(1).expect("a path").to_owned();
        let trace = header("traceparent").unwrap_or_default().to_owned();
        traces.lock().unwrap().push((path.clone(), trace));
        if path == "/run" && body.contains("/dies\"") {
            return None;
        }
        input.clear();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";
        stream.write_all(answer).await.ok()?;
    }
}

#[async_trait]
impl Container for Served {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn take_logs(&self) -> Option<LogStream> {
        None
    }

    async fn suspend(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn exit_reason(&self) -> Option<ExitReason> {
        Some(ExitReason::Exited(1))
    }

    async fn destroy(&self) -> Result<(), ContainerError> {
        self.ended.cancel();
        Ok(())
    }
}
