//! A small HTTP client: one request a connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// `None`: nobody is there, or the connection breaks.
pub(crate) fn get(port: u16, path: &str) -> Option<Answer> {
    send(port, "GET", path, None, "")
}

/// As a user of the API with this key.
pub(crate) fn call(port: u16, method: &str, path: &str, key: &str, body: &str) -> Option<Answer> {
    send(port, method, path, Some(key), body)
}

fn send(port: u16, method: &str, path: &str, key: Option<&str>, body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(70))).ok()?;
    let authorization =
        key.map_or_else(String::new, |key| format!("Authorization: Basic {}\r\n", STANDARD.encode(key)));
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n")?.1.to_owned();
    Some(Answer { status, body })
}
