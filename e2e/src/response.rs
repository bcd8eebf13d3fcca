//! An HTTP answer, its framing, and the checks tests make on it. Every failed check prints the whole answer.

use std::fmt;

use serde_json::Value;

/// Status line and headers, parsed.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes of the head, up to and with the empty line.
    pub(crate) length: usize,
}

impl Head {
    /// `None` while the head is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, String> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parser = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = parser.parse(bytes).map_err(|e| format!("bad head: {e}"))?
        else {
            return Ok(None);
        };
        let headers = parser
            .headers
            .iter()
            .map(|field| (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned()))
            .collect();
        let status = parser.code.ok_or("a status line without a status")?;
        Ok(Some(Self { status, headers, length }))
    }

    fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// The body out of what was read after the head; `None` when more must be read.
    pub(crate) fn body(&self, read: &[u8]) -> Result<Option<Vec<u8>>, String> {
        if self.status == 204 || self.status == 304 {
            return Ok(Some(Vec::new()));
        }
        if self.is_chunked() {
            return dechunk(read);
        }
        let Some(length) = self.header("content-length") else { return Ok(None) };
        let length: usize = length.parse().map_err(|_| format!("bad content-length '{length}'"))?;
        Ok(read.get(..length).map(<[u8]>::to_vec))
    }

    /// The body when the connection ended: only an answer without any framing may end so.
    pub(crate) fn body_at_end(&self, read: Vec<u8>) -> Result<Vec<u8>, String> {
        if self.is_chunked() || self.header("content-length").is_some() {
            return Err(format!("connection closed inside the body after {} bytes", read.len()));
        }
        Ok(read)
    }
}

fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(parts)) => parts,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("bad chunk size".to_owned()),
        };
        let size = usize::try_from(size).map_err(|e| e.to_string())?;
        if size == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = rest.get(start..start + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(after) = rest.get(start + size + 2..) else { return Ok(None) };
        rest = after;
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Method and target of the request, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// All headers in their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header called `name`, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("body is not json ({error})\n{self:?}"),
        }
    }

    /// The body as a JSON array.
    #[track_caller]
    pub fn array(&self) -> Vec<Value> {
        match self.json() {
            Value::Array(items) => items,
            _ => panic!("body is not a json array\n{self:?}"),
        }
    }

    /// Checks the status and gives the answer back.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected status\n{self:?}");
        self
    }

    /// Checks that a condition on this answer holds; the message prints the answer.
    #[track_caller]
    pub fn check(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{self:?}");
    }

    /// Checks a header's exact value.
    #[track_caller]
    pub fn expect_header(&self, name: &str, value: &str) {
        assert_eq!(self.header(name), Some(value), "header {name}\n{self:?}");
    }

    /// Checks for an error of the API: status, exact message, `code` equal to the request id, JSON content.
    #[track_caller]
    pub fn expect_error(self, status: u16, message: &str) -> Self {
        let error = self.error_message(status);
        assert_eq!(error, message, "unexpected error message\n{self:?}");
        self
    }

    /// The `error` member of an error of the API, after the checks of [`Response::expect_error`].
    #[track_caller]
    pub fn error_message(&self, status: u16) -> String {
        assert_eq!(self.status, status, "unexpected status\n{self:?}");
        self.expect_header("content-type", "application/json");
        let body = self.json();
        let members = body.as_object().map(serde_json::Map::len);
        assert_eq!(members, Some(2), "an error has the members error and code only\n{self:?}");
        assert_eq!(body["code"].as_str(), self.header("x-request-id"), "code is the request id\n{self:?}");
        match body["error"].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("error is not a string\n{self:?}"),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4_000;
        writeln!(f, "--- answer to {}\n{}", self.request, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let text = self.text();
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { " ..." } else { "" };
        write!(f, "\n{shown}{more}\n---")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).expect("valid").expect("complete")
    }

    #[test]
    fn a_head_is_incomplete_until_its_empty_line() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").expect("valid").is_none());
        let head = head("HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest");
        assert_eq!((head.status, head.length, head.header("a")), (200, 25, Some("b")));
    }

    #[test]
    fn a_counted_body_waits_for_its_last_byte() {
        let head = head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(head.body(b"ab").expect("valid"), None);
        assert_eq!(head.body(b"abc").expect("valid"), Some(b"abc".to_vec()));
        assert!(head.body_at_end(b"ab".to_vec()).is_err());
    }

    #[test]
    fn chunks_are_joined_once_the_last_one_is_there() {
        let head = head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let wire = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(head.body(wire).expect("valid"), Some(b"abcde".to_vec()));
        for cut in 0..wire.len() - 5 {
            assert_eq!(head.body(&wire[..cut]).expect("valid"), None, "cut at {cut}");
        }
    }
}
