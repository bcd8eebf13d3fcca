//! The server of a scripted container: speaks the container protocol on a unix socket and does what it is told.
//!
//! The code given to `/init` and the member `do` of the arguments given to `/run` say what to do.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxwhisk_container::{ExitReason, LogOrigin};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::containers::State;

pub(crate) const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";

/// What the server was sent: path and body.
pub(crate) type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// Serves until the container ends. `delay` passes before it listens.
pub(crate) async fn serve(path: impl AsRef<Path>, state: Arc<State>, delay: Duration) {
    let ended = state.ended.clone();
    let work = async {
        tokio::time::sleep(delay).await;
        let listener = UnixListener::bind(path).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(stream, Arc::clone(&state), ended.clone()));
        }
    };
    tokio::select! {
        () = ended.cancelled() => {}
        () = work => {}
    }
}

async fn connection(mut stream: UnixStream, state: Arc<State>, ended: CancellationToken) {
    state.connections.fetch_add(1, Ordering::SeqCst);
    let work = async {
        let mut input = Vec::new();
        while let Some((path, trace, body)) = request(&mut stream, &mut input).await {
            state.awake().await;
            state.traces.lock().unwrap().push((path.clone(), trace));
            state.requests.lock().unwrap().push((path.clone(), body.clone()));
            let answer = if path == "/init" { init(&state, &body).await } else { run(&state, &body).await };
            let Some(answer) = answer else { return };
            if stream.write_all(&answer).await.is_err() || body["value"]["do"] == "close-after" {
                return;
            }
        }
    };
    tokio::select! {
        () = ended.cancelled() => {}
        () = work => {}
    }
    drop(stream);
    state.connections.fetch_sub(1, Ordering::SeqCst);
}

async fn request(stream: &mut UnixStream, input: &mut Vec<u8>) -> Option<(String, Option<String>, Value)> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(head)) = parsed.parse(input) {
            let length = parsed.headers.iter().find(|header| header.name == "Content-Length").unwrap();
            let length: usize = std::str::from_utf8(length.value).unwrap().parse().unwrap();
            let path = parsed.path.unwrap().to_owned();
            let trace = parsed.headers.iter().find(|header| header.name == "traceparent");
            let trace = trace.map(|header| String::from_utf8(header.value.to_vec()).unwrap());
            if input.len() >= head + length {
                let body = serde_json::from_slice(&input[head..head + length]).unwrap();
                input.drain(..head + length);
                return Some((path, trace, body));
            }
        }
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(status: u16, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

async fn init(state: &State, body: &Value) -> Option<Vec<u8>> {
    match body["value"]["code"].as_str() {
        Some("init-die") => {
            state.die(ExitReason::Exited(1));
            None
        }
        Some("init-oom") => {
            state.die(ExitReason::OutOfMemory);
            None
        }
        Some("init-slow") => std::future::pending().await,
        Some("init-error") => answer(502, r#"{"error":{"why":"syntax"}}"#),
        Some("init-text") => answer(502, "boom"),
        Some("init-then-die") => {
            let reply = answer(200, "{}");
            let (ended, state) = (state.ended.clone(), state.exit.clone());
            tokio::spawn(async move {
                // After the answer is read: the connection is then idle.
                tokio::time::sleep(Duration::from_millis(20)).await;
                *state.lock().unwrap() = Some(ExitReason::Exited(0));
                ended.cancel();
            });
            reply
        }
        _ => answer(200, r#"{"ok":true}"#),
    }
}

async fn run(state: &State, body: &Value) -> Option<Vec<u8>> {
    let value = &body["value"];
    if let Some(count) = value["lines"].as_u64() {
        let lines: String = (0..count).map(|number| format!("line {number}\n")).collect();
        state.log(LogOrigin::Stdout, &lines);
    }
    for (name, origin) in [("stdout", LogOrigin::Stdout), ("stderr", LogOrigin::Stderr)] {
        if let Some(text) = value[name].as_str() {
            state.log(origin, text);
        }
    }
    let ended = value["marks"].as_str().unwrap_or("before");
    if ended == "before" {
        state.log(LogOrigin::Stdout, SENTINEL);
        state.log(LogOrigin::Stderr, SENTINEL);
    }
    let reply = act(state, body).await;
    if ended == "after" {
        let state = state.clone_logs();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            state(LogOrigin::Stdout, "late\n");
            state(LogOrigin::Stdout, SENTINEL);
            state(LogOrigin::Stderr, SENTINEL);
        });
    }
    reply
}

async fn act(state: &State, body: &Value) -> Option<Vec<u8>> {
    let value = &body["value"];
    match value["do"].as_str() {
        Some("body") => {
            answer(value["status"].as_u64().unwrap_or(200) as u16, value["body"].as_str().unwrap())
        }
        Some("raw") => Some(value["raw"].as_str().unwrap().as_bytes().to_vec()),
        Some("large") => {
            answer(200, &format!("{{\"x\":\"{}\"}}", "x".repeat(value["size"].as_u64().unwrap() as usize)))
        }
        Some("die") => {
            state.die(ExitReason::Signalled(9));
            None
        }
        Some("oom") => {
            state.die(ExitReason::OutOfMemory);
            None
        }
        Some("hang") => std::future::pending().await,
        // Waits until the test lets it go, and tells how many ran together.
        Some("wait") => {
            let together = state.together.enter();
            state.gate.acquire().await.unwrap().forget();
            answer(200, &json!({"container": state.name, "together": together}).to_string())
        }
        Some("chunked") => Some(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n"
                .to_vec(),
        ),
        _ => answer(200, &json!({"container": state.name, "message": body}).to_string()),
    }
}
