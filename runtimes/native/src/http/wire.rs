//! Reading requests from and writing answers to one connection.

use std::io::{self, ErrorKind, Read, Write};

use super::{
    chunked::Decoder,
    head::{self, BodyLength, Head, HeadError},
};
use crate::reply::Reply;

const READ_PIECE: usize = 16 << 10;
/// A buffer that one large body has grown is given back rather than kept for a connection's life.
const KEPT_CAPACITY: usize = 1 << 20;

/// One request, whole.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

/// Why no further request can be read from a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// To be answered with the error's status before the connection is closed.
    #[error(transparent)]
    Bad(#[from] HeadError),
    /// The request stopped half way for longer than the socket's time-out.
    #[error("the request stopped half way")]
    Stalled,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A connection's buffers around its stream.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    input: Vec<u8>,
    filled: usize,
    body: Vec<u8>,
    output: Vec<u8>,
    head: Option<Head>,
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, input: Vec::new(), filled: 0, body: Vec::new(), output: Vec::new(), head: None }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// Whether nothing of a next request has been read yet.
    pub(crate) fn is_drained(&self) -> bool {
        match &self.head {
            Some(Head { len, body: BodyLength::Known(length), .. }) => self.filled == len + length,
            _ => self.filled == 0,
        }
    }

    /// Reads the next request into the buffers; false at the orderly end of the connection.
    ///
    /// # Errors
    /// The connection cannot be used any further.
    pub(crate) fn read_request(&mut self) -> Result<bool, WireError> {
        self.forget_request();
        let head = loop {
            if let Some(head) = head::parse(&self.input[..self.filled])? {
                break head;
            }
            if !self.fill(self.filled == 0)? {
                return if self.filled == 0 {
                    Ok(false)
                } else {
                    Err(io::Error::from(ErrorKind::UnexpectedEof).into())
                };
            }
        };
        if head.expects_continue && head.body != BodyLength::Known(0) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        match head.body {
            BodyLength::Known(length) => self.read_known(head.len, length)?,
            BodyLength::Chunked => self.read_chunked(head.len)?,
        }
        self.head = Some(head);
        Ok(true)
    }

    /// The request that was read last.
    pub(crate) fn request(&self) -> Option<Request<'_>> {
        let head = self.head.as_ref()?;
        let body = match head.body {
            BodyLength::Known(length) => &self.input[head.len..head.len + length],
            BodyLength::Chunked => &self.body,
        };
        Some(Request { method: &head.method, path: &head.path, body })
    }

    /// Writes an answer, head and body in one write; returns whether the connection goes on.
    ///
    /// # Errors
    /// The caller is gone.
    pub(crate) fn write_reply(&mut self, reply: &Reply) -> io::Result<bool> {
        let keep_alive = self.head.as_ref().is_some_and(|head| head.keep_alive);
        self.output.clear();
        write!(
            self.output,
            "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n",
            reply.status,
            reason(reply.status),
            reply.body.len(),
            if keep_alive { "" } else { "Connection: close\r\n" },
        )?;
        self.output.extend_from_slice(&reply.body);
        self.stream.write_all(&self.output)?;
        if self.output.capacity() > KEPT_CAPACITY {
            self.output = Vec::new();
        }
        Ok(keep_alive)
    }

    fn read_known(&mut self, head_len: usize, length: usize) -> Result<(), WireError> {
        let whole = head_len + length;
        if self.input.len() < whole {
            self.input.resize(whole, 0);
        }
        while self.filled < whole {
            self.fill_or_fail()?;
        }
        Ok(())
    }

    fn read_chunked(&mut self, head_len: usize) -> Result<(), WireError> {
        let mut decoder = Decoder::default();
        self.input.copy_within(head_len..self.filled, 0);
        self.filled -= head_len;
        loop {
            let used = decoder.push(&self.input[..self.filled], &mut self.body)?;
            self.input.copy_within(used..self.filled, 0);
            self.filled -= used;
            if decoder.is_done() {
                return Ok(());
            }
            self.fill_or_fail()?;
        }
    }

    /// Drops the last request; what was already read of the next one moves to the front.
    fn forget_request(&mut self) {
        if let Some(Head { len, body: BodyLength::Known(length), .. }) = self.head.take() {
            self.input.copy_within(len + length..self.filled, 0);
            self.filled -= len + length;
        }
        self.body.clear();
        if self.body.capacity() > KEPT_CAPACITY {
            self.body = Vec::new();
        }
        if self.input.len() > KEPT_CAPACITY && self.filled <= READ_PIECE {
            self.input.truncate(READ_PIECE);
            self.input.shrink_to_fit();
        }
    }

    fn fill_or_fail(&mut self) -> Result<(), WireError> {
        if self.fill(false)? { Ok(()) } else { Err(io::Error::from(ErrorKind::UnexpectedEof).into()) }
    }

    /// Reads once; false at the end of the stream. The socket's time-out ends a request that stalls, but an idle
    /// connection between requests may wait for ever.
    fn fill(&mut self, idle: bool) -> Result<bool, WireError> {
        if self.input.len() - self.filled < READ_PIECE / 4 && self.input.len() < self.filled + READ_PIECE {
            self.input.resize(self.filled + READ_PIECE, 0);
        }
        loop {
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(read) => {
                    self.filled += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !idle {
                        return Err(WireError::Stalled);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        _ => "Internal Server Error",
    }
}
