//! One HTTP/1.1 request on a connection of its own, written by hand so that a test decides every byte: a client
//! library would add a `Content-Type`, follow a redirect or merge headers, and hide what the server really says.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::response::{Head, Response};
use crate::users::User;

/// Longer than the longest blocking wait of the API (60 s) and its request limit (65 s).
const READ_TIMEOUT: Duration = Duration::from_secs(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    authority: String,
}

impl Api {
    /// From a URL like `http://127.0.0.1:3233`.
    ///
    /// # Errors
    /// When the URL is not plain HTTP: this client speaks no TLS.
    pub fn from_url(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("'{url}' is not an http:// url"))?;
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains('/') {
            return Err(format!("'{url}' must be a scheme and an authority only"));
        }
        let port = if authority.contains(':') { "" } else { ":80" };
        Ok(Self { authority: format!("{authority}{port}") })
    }

    /// `http://host:port`, as clients take it for an API host.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// A request without credentials; `target` is the path with its query, already percent-encoded.
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request {
            authority: self.authority.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A `GET` without credentials.
    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }
}

/// A request being put together.
#[derive(Clone, Debug)]
pub struct Request {
    authority: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Logs in as `user`.
    pub fn auth(self, user: &User) -> Self {
        self.basic(&user.auth())
    }

    /// Basic credentials from the text before base64.
    pub fn basic(self, credentials: &str) -> Self {
        let value = format!("Basic {}", STANDARD.encode(credentials));
        self.header("Authorization", &value)
    }

    /// A body without a `Content-Type`; add one with [`Request::header`].
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// A JSON body.
    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string())
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Panics
    /// When there is no answer: a test that can live without one uses [`Request::try_send`].
    #[track_caller]
    pub fn send(&self) -> Response {
        match self.try_send() {
            Ok(response) => response,
            Err(error) => panic!("{} got no answer: {error}", self.describe()),
        }
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection cannot be made, breaks, or carries no HTTP.
    pub fn try_send(&self) -> std::io::Result<Response> {
        let mut stream = self.connect()?;
        let written = stream.write_all(&self.wire());
        // A server may refuse a large body before it has read it all, close its reading side and still answer:
        // the answer then counts, not the failed write.
        match (read_response(&mut stream, &self.method, self.describe()), written) {
            (Ok(response), _) => Ok(response),
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        }
    }

    /// Sends the request and reads nothing; dropping the connection hangs up.
    ///
    /// # Errors
    /// When the connection cannot be made or breaks.
    pub fn send_only(&self) -> std::io::Result<TcpStream> {
        let mut stream = self.connect()?;
        stream.write_all(&self.wire())?;
        Ok(stream)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let address = self.authority.to_socket_addrs()?.next().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::NotFound, format!("no address for {}", self.authority))
        })?;
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_write_timeout(Some(READ_TIMEOUT))?;
        Ok(stream)
    }

    fn wire(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.authority);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() || matches!(self.method.as_str(), "PUT" | "POST" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    fn describe(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

fn read_response(stream: &mut TcpStream, method: &str, request: String) -> std::io::Result<Response> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(head) = Head::parse(&bytes).map_err(invalid)? {
            break head;
        }
        if read_some(stream, &mut bytes)? == 0 {
            let got = String::from_utf8_lossy(&bytes).into_owned();
            return Err(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                format!("connection closed before the end of the headers: '{got}'"),
            ));
        }
    };
    let mut body = bytes.split_off(head.length);
    if method != "HEAD" {
        loop {
            match head.body(&body).map_err(invalid)? {
                Some(whole) => {
                    body = whole;
                    break;
                }
                None if read_some(stream, &mut body)? == 0 => {
                    body = head.body_at_end(body).map_err(invalid)?;
                    break;
                }
                None => {}
            }
        }
    }
    Ok(Response { request, status: head.status, headers: head.headers, body })
}

fn read_some(stream: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut chunk = [0; 16 * 1024];
    let count = loop {
        match stream.read(&mut chunk) {
            // A read with a time limit is not taken up again by the kernel when the process was stopped and went on.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            count => break count?,
        }
    };
    into.extend_from_slice(&chunk[..count]);
    Ok(count)
}

fn invalid(message: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, message)
}

/// Percent-encodes one path segment or query value, byte by byte.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_a_port_mean_port_80() {
        assert_eq!(Api::from_url("http://host/").expect("valid").url(), "http://host:80");
        assert_eq!(Api::from_url("http://127.0.0.1:1").expect("valid").url(), "http://127.0.0.1:1");
        assert!(Api::from_url("https://host").is_err());
        assert!(Api::from_url("http://host/path").is_err());
    }

    #[test]
    fn everything_but_unreserved_bytes_is_encoded() {
        assert_eq!(encode("a b.c&d@e-f/é"), "a%20b.c%26d%40e-f%2F%C3%A9");
    }

    #[test]
    fn a_put_always_says_how_long_its_body_is() {
        let api = Api::from_url("http://h:1").expect("valid");
        let wire = String::from_utf8(api.request("PUT", "/x").wire()).expect("ascii");
        assert_eq!(wire, "PUT /x HTTP/1.1\r\nHost: h:1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}
