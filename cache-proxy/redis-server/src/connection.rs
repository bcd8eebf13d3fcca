//! What tests say to a server, and what it replies.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

/// A reply, of the kind that the older protocol has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(String),
    Error(String),
    Number(i64),
    Text(Vec<u8>),
    Null,
    List(Vec<Reply>),
}

impl Reply {
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn list(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            other => panic!("no list: {other:?}"),
        }
    }

    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Status(text) | Self::Error(text) => text.clone(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection<S: Read + Write = UnixStream>(BufReader<S>);

impl<S: Read + Write> Connection<S> {
    /// Over a stream that waits for nothing without end.
    pub fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends a command and reads its reply.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(&encoded(arguments));
        self.reply()
    }

    /// # Panics
    /// When the connection breaks.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the server reads");
    }

    /// # Panics
    /// When the connection breaks.
    pub fn reply(&mut self) -> Reply {
        self.item(&mut Vec::new())
    }

    /// A reply as it came.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn raw(&mut self) -> Vec<u8> {
        let mut raw = Vec::new();
        self.item(&mut raw);
        raw
    }

    /// A reply as it came; `None`: the other side has ended the connection.
    ///
    /// # Panics
    /// When it breaks in the middle of one.
    pub fn next_raw(&mut self) -> Option<Vec<u8>> {
        match self.0.fill_buf() {
            Ok([]) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            _ => Some(self.raw()),
        }
    }

    /// All that comes until the other side ends the connection.
    ///
    /// # Panics
    /// When it does not within the stream's own time.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
                panic!("it does not end: {error}")
            }
            _ => rest,
        }
    }

    pub fn stream(&self) -> &S {
        self.0.get_ref()
    }

    fn item(&mut self, raw: &mut Vec<u8>) -> Reply {
        let start = raw.len();
        self.0.read_until(b'\n', raw).expect("the server replies");
        let line = String::from_utf8_lossy(&raw[start..]).trim_end().to_owned();
        assert!(!line.is_empty(), "the server has ended the connection");
        let (kind, rest) = line.split_at(1);
        let count = || rest.parse::<usize>().unwrap_or_else(|error| panic!("{line}: {error}"));
        match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(rest.parse().expect("a number")),
            "$" | "*" if rest == "-1" => Reply::Null,
            "_" => Reply::Null,
            "#" => Reply::Number(i64::from(rest == "t")),
            "," | "(" => Reply::Text(rest.into()),
            "$" | "=" | "!" => {
                let mut text = vec![0; count() + 2];
                self.0.read_exact(&mut text).expect("the server replies");
                raw.extend_from_slice(&text);
                text.truncate(text.len() - 2);
                match kind {
                    "!" => Reply::Error(String::from_utf8_lossy(&text).into_owned()),
                    _ => Reply::Text(text),
                }
            }
            "%" => Reply::List((0..count() * 2).map(|_| self.item(raw)).collect()),
            "*" | "~" | ">" => Reply::List((0..count()).map(|_| self.item(raw)).collect()),
            _ => panic!("{line:?}"),
        }
    }
}

/// A request as it is sent.
pub fn encoded<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}
