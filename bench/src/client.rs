//! One blocking HTTP/1.1 connection: as little client as possible, so that the server is what is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Longest wait for an answer: far above any sane one, so that a hang ends the run with an error.
const TIMEOUT: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
}

/// Status and body of one answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, authorization: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    if let Some(value) = authorization {
        text.push_str(&format!("Authorization: Basic {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("Content-Type: application/json\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl Connection {
    pub(crate) fn open(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let stream = match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                Stream::Tcp(stream)
            }
            Endpoint::Unix(path) => {
                let stream =
                    UnixStream::connect(path).with_context(|| format!("connect to {}", path.display()))?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                Stream::Unix(stream)
            }
        };
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer; answers must carry their length.
    pub(crate) fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.write(request)?;
        self.buffer.clear();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = response.parse(&self.buffer)? {
                let status = response.code.context("a status")?;
                let length = content_length(&response)?;
                return self.read_body(status, head, length);
            }
            self.fill()?;
        }
    }

    fn read_body(&mut self, status: u16, head: usize, length: usize) -> anyhow::Result<Answer> {
        while self.buffer.len() < head + length {
            self.fill()?;
        }
        ensure!(self.buffer.len() == head + length, "more bytes than the answer announced");
        Ok(Answer { status, body: self.buffer[head..].to_vec() })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let mut chunk = [0_u8; 16 * 1024];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut chunk)?,
            Stream::Unix(stream) => stream.read(&mut chunk)?,
        };
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

fn content_length(response: &httparse::Response<'_, '_>) -> anyhow::Result<usize> {
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let text = std::str::from_utf8(header.context("an answer with a Content-Length")?.value)?;
    Ok(text.trim().parse()?)
}
