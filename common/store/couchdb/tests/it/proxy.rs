//! Something between the stores and their server that goes wrong in as many ways as networks and servers do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection is cut; the server has not seen the request.
    CutBefore,
    /// The server has done what it was asked to, and the connection is cut before its answer comes.
    CutAfter,
    /// As before, in the middle of the answer.
    CutWithin,
    /// The server has done it, and its answer never comes.
    HangAfter,
    /// Something else answers.
    Answer { status: u16, body: &'static str },
}

#[derive(Debug, Default)]
struct Plan {
    /// For the next requests, one each.
    next: VecDeque<Fault>,
    /// For all others.
    always: Option<Fault>,
    /// Only requests with this in their first line have a fault.
    only: Option<&'static str>,
    /// First lines of all requests.
    seen: Vec<String>,
}

impl Plan {
    fn take(&mut self, line: &str) -> Fault {
        self.seen.push(line.to_owned());
        if self.only.is_some_and(|only| !line.contains(only)) {
            return Fault::None;
        }
        self.next.pop_front().or_else(|| self.always.clone()).unwrap_or(Fault::None)
    }
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    plan: Arc<Mutex<Plan>>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    /// Before the server at `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let upstream = url.strip_prefix("http://").expect("an address without TLS").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = Arc::clone(&plan);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, upstream.clone(), Arc::clone(&shared)));
            }
        });
        Self { url, plan, server }
    }

    /// What happens to the next requests whose first line has `only` in it.
    pub(crate) fn next(&self, only: &'static str, faults: impl IntoIterator<Item = Fault>) {
        let mut plan = self.plan.lock().unwrap();
        plan.only = Some(only);
        plan.next = faults.into_iter().collect();
        plan.always = None;
        plan.seen.clear();
    }

    /// What happens to every such request.
    pub(crate) fn always(&self, only: &'static str, fault: Fault) {
        self.next(only, []);
        self.plan.lock().unwrap().always = Some(fault);
    }

    /// Requests with `part` in their first line since faults were planned.
    pub(crate) fn seen(&self, part: &str) -> usize {
        self.plan.lock().unwrap().seen.iter().filter(|line| line.contains(part)).count()
    }
}

async fn serve(mut client: TcpStream, upstream: String, plan: Arc<Mutex<Plan>>) {
    let mut read = Vec::new();
    while let Some((head, body)) = request(&mut client, &mut read).await {
        let fault = plan.lock().unwrap().take(head.lines().next().unwrap_or_default());
        let answer = match fault {
            Fault::CutBefore => return,
            Fault::Answer { status, body } => format!(
                "HTTP/1.1 {status} Planned\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes(),
            _ => match exchange(&upstream, &head, &body).await {
                Some(answer) => answer,
                None => return,
            },
        };
        match fault {
            Fault::CutAfter => return,
            Fault::CutWithin => {
                let _ = client.write_all(&answer[..answer.len() - 3]).await;
                return;
            }
            // Longer than anybody waits in these tests; ends with the proxy.
            Fault::HangAfter => tokio::time::sleep(Duration::from_secs(600)).await,
            _ => {}
        }
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The next request of a connection: its head, and its body of the length that the head says.
async fn request(client: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = find(read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end + 4]).into_owned();
            let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            while read.len() < end + 4 + length {
                more(client, read).await?;
            }
            let body = read[end + 4..end + 4 + length].to_vec();
            read.drain(..end + 4 + length);
            return Some((head, body));
        }
        more(client, read).await?;
    }
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    stream.read_buf(read).await.ok().filter(|length| *length > 0).map(drop)
}

/// One request on a connection of its own; the whole answer, with its length said.
async fn exchange(upstream: &str, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await.ok()?;
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
    let mut answer = Vec::new();
    while more(&mut server, &mut answer).await.is_some() {}
    (!answer.is_empty()).then_some(answer).map(keep_alive)
}

/// Answers of the server end with their connection; those of the proxy do not.
fn keep_alive(answer: Vec<u8>) -> Vec<u8> {
    let Some(end) = find(&answer, b"\r\n\r\n") else { return answer };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let is_measured =
        header(&head, "content-length").is_some() || header(&head, "transfer-encoding").is_some();
    let kept: Vec<&str> =
        head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("connection:")).collect();
    let mut head = kept.join("\r\n");
    if !is_measured {
        head.push_str(&format!("\r\nContent-Length: {}", answer.len() - end - 4));
    }
    [head.as_bytes(), &answer[end..]].concat()
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
