//! Request heads: pure parsing.

/// Largest request head, in bytes.
pub(crate) const MAX_HEAD: usize = 16 << 10;
/// Largest body, in bytes: OpenWhisk's largest action code is 48 MB, which base64 and JSON lengthen.
pub(crate) const MAX_BODY: usize = 64 << 20;
const MAX_HEADERS: usize = 64;

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// `Content-Length`, or 0 without one.
    Known(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What the server needs of a request head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Bytes of the head itself.
    pub(crate) len: usize,
    pub(crate) body: BodyLength,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

/// A request that cannot be served, with the status that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("malformed request: {0}")]
    Malformed(String),
    #[error("the request head is longer than {MAX_HEAD} bytes")]
    HeadTooLarge,
    #[error("the request body is longer than {MAX_BODY} bytes")]
    BodyTooLarge,
}

impl HeadError {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
        }
    }
}

/// Parses the head at the start of `bytes`; `None` while it is incomplete.
///
/// # Errors
/// The head can never become a request this server takes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(HeadError::HeadTooLarge),
        Err(error) => return Err(HeadError::Malformed(error.to_string())),
    };
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().split('?').next().unwrap_or_default().to_owned(),
        len,
        body: BodyLength::Known(0),
        keep_alive: request.version == Some(1),
        expects_continue: false,
    };
    for header in request.headers {
        head.apply(header.name, header.value)?;
    }
    Ok(Some(head))
}

impl Head {
    fn apply(&mut self, name: &str, value: &[u8]) -> Result<(), HeadError> {
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("content-length") {
            let length = content_length(value)?;
            // Both a length and chunks, or two lengths: a request that servers on the way may cut differently.
            if !matches!(self.body, BodyLength::Known(known) if known == 0 || known == length) {
                return Err(HeadError::Malformed("contradicting body lengths".to_owned()));
            }
            self.body = BodyLength::Known(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") || self.body != BodyLength::Known(0) {
                return Err(HeadError::Malformed("a transfer encoding other than chunked alone".to_owned()));
            }
            self.body = BodyLength::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            self.keep_alive = match value {
                value if value.eq_ignore_ascii_case(b"close") => false,
                value if value.eq_ignore_ascii_case(b"keep-alive") => true,
                _ => self.keep_alive,
            };
        } else if name.eq_ignore_ascii_case("expect") {
            self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
        }
        Ok(())
    }
}

fn content_length(value: &[u8]) -> Result<usize, HeadError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::Malformed("content-length is no number".to_owned()));
    }
    let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    length.filter(|length| *length <= MAX_BODY).ok_or(HeadError::BodyTooLarge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Head {
        parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn what_matters_of_a_head_is_kept() {
        let head = parsed(
            "POST /run?x=1 HTTP/1.1\r\nHost: a\r\ncontent-length: 12\r\nEXPECT: 100-Continue\r\n\r\nbody",
        );
        assert_eq!((head.method.as_str(), head.path.as_str()), ("POST", "/run"));
        assert_eq!(head.body, BodyLength::Known(12));
        assert!(head.keep_alive && head.expects_continue);
        assert_eq!(parsed("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n").body, BodyLength::Chunked);
    }

    #[test]
    fn keep_alive_is_the_default_of_1_1_only() {
        assert!(!parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        assert!(!parsed("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
    }

    #[test]
    fn ambiguous_and_oversized_requests_are_refused() {
        for (headers, status) in [
            ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
            ("Transfer-Encoding: gzip, chunked\r\n", 400),
            ("Content-Length: +1\r\n", 400),
            ("Content-Length:\r\n", 400),
            ("Content-Length: 67108865\r\n", 413),
            ("Content-Length: 99999999999999999999999\r\n", 413),
            (&format!("X: {}\r\n", "x".repeat(MAX_HEAD)), 431),
        ] {
            let text = format!("POST /run HTTP/1.1\r\n{headers}\r\n");
            assert_eq!(parse(text.as_bytes()).unwrap_err().status(), status, "{headers:?}");
        }
        assert_eq!(parse(b"nonsense\r\n\r\n").unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn every_prefix_of_a_head_is_incomplete(cut in 0_usize..60) {
            let text = b"POST /run HTTP/1.1\r\nHost: action\r\nContent-Length: 2\r\n\r\n";
            let cut = cut.min(text.len() - 1);
            prop_assert_eq!(parse(&text[..cut]), Ok(None));
        }

        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(head)) = parse(&bytes) {
                prop_assert!(head.len <= bytes.len());
            }
        }
    }
}
