//! Heads of HTTP answers. Pure.

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyHead {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("it is not HTTP")]
    Http,
    #[error("its head is too long")]
    TooLong,
    /// Without a length the end of an answer cannot be told from the death of the container.
    #[error("it has no valid Content-Length")]
    Length,
    #[error("it is not chunked as its head says")]
    Chunk,
}

/// The longest head that is read, in bytes.
const HEAD_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 64;
/// The longest line with a chunk's size.
const CHUNK_LINE_MAX: usize = 256;

impl ReplyHead {
    /// The head and its length in bytes, or `None` if there is more of it to come.
    pub(super) fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, ReplyError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(input) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if input.len() > HEAD_MAX => return Err(ReplyError::TooLong),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(ReplyError::TooLong),
            Err(_) => return Err(ReplyError::Http),
        };
        let status = response.code.ok_or(ReplyError::Http)?;
        let mut head = Self { status, body: Body::Length(0), keep_alive: response.version == Some(1) };
        let body = head.read_headers(response.headers)?;
        // Those answers have no body whatever their head says.
        if status >= 200 && status != 204 && status != 304 {
            head.body = body.ok_or(ReplyError::Length)?;
        }
        Ok(Some((head, length)))
    }

    fn read_headers(&mut self, headers: &[httparse::Header<'_>]) -> Result<Option<Body>, ReplyError> {
        let mut body = None;
        for header in headers {
            let value = header.value.trim_ascii();
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = Body::Length(decimal(value).ok_or(ReplyError::Length)?);
                match body {
                    None => body = Some(length),
                    Some(Body::Length(_)) if body != Some(length) => return Err(ReplyError::Length),
                    Some(_) => {}
                }
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(ReplyError::Length);
                }
                body = Some(Body::Chunked);
            } else if header.name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case(b"close") {
                self.keep_alive = false;
            }
        }
        Ok(body)
    }
}

/// Digits only: `parse` would also take a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// The length of the line that starts a chunk, and the chunk's size; `None` if there is more of it to come.
pub(super) fn chunk_head(input: &[u8]) -> Result<Option<(usize, u64)>, ReplyError> {
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Complete((length, size))) => Ok(Some((length, size))),
        Ok(httparse::Status::Partial) if input.len() <= CHUNK_LINE_MAX => Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => Err(ReplyError::Chunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<ReplyHead>, ReplyError> {
        ReplyHead::parse(text.as_bytes()).map(|parsed| parsed.map(|(head, _)| head))
    }

    #[test]
    fn heads_with_a_length() {
        let head = ReplyHead { status: 200, body: Body::Length(5), keep_alive: true };
        assert_eq!(parse("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"), Ok(Some(head)));
        assert_eq!(
            parse("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"),
            Ok(Some(ReplyHead { keep_alive: false, ..head }))
        );
        assert_eq!(
            parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n"),
            Ok(Some(ReplyHead { keep_alive: false, ..head }))
        );
        assert_eq!(
            parse("HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Ok(Some(ReplyHead { status: 502, body: Body::Chunked, keep_alive: true }))
        );
        assert_eq!(parse("HTTP/1.1 200 OK\r\nContent-Le"), Ok(None));
    }

    #[test]
    fn heads_without_a_length_are_no_answer() {
        for (text, error) in [
            ("HTTP/1.1 200 OK\r\n\r\n", ReplyError::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", ReplyError::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", ReplyError::Length),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ReplyError::Length),
            ("garbage\r\n\r\n", ReplyError::Http),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX));
        assert_eq!(parse(&endless), Err(ReplyError::TooLong));
    }

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        assert_eq!(chunk_head(b"1f\r\nabc"), Ok(Some((4, 31))));
        assert_eq!(chunk_head(b"1"), Ok(None));
        assert_eq!(chunk_head(b"xyz\r\n"), Err(ReplyError::Chunk));
    }
}
