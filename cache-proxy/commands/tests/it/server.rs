//! A `redis-server` of a test's own, on a socket in a directory of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oxwhisk_cache_commands::reply::Scanner;

/// How long it may take to answer at all.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    process: Child,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

/// A reply, without what RESP3 adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Status(String),
    Error(String),
    Number(i64),
    Text(Vec<u8>),
    Null,
    List(Vec<Reply>),
}

impl Reply {
    pub(crate) fn list(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            other => panic!("no list: {other:?}"),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Status(text) | Self::Error(text) => text.clone(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }
}

/// One connection.
pub(crate) struct Connection(BufReader<UnixStream>);

impl Server {
    /// `None`, and a line that says so, where there is none.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("redis");
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                skipped(test, &format!("no redis-server (Debian package redis-server): {error}"));
                return None;
            }
        };
        let server = Self { process, socket, _directory: directory };
        server.connect();
        Some(server)
    }

    pub(crate) fn connect(&self) -> Connection {
        let start = Instant::now();
        loop {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    return Connection(BufReader::new(stream));
                }
                Err(error) => {
                    assert!(start.elapsed() < DEADLINE, "redis-server does not answer: {error}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "a test that did not run says so")]
fn skipped(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Connection {
    pub(crate) fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(&encoded(arguments));
        self.reply()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap();
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let (kind, rest) = line.split_at(1);
        match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(rest.parse().unwrap()),
            "$" if rest == "-1" => Reply::Null,
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                Reply::Text(text)
            }
            "*" if rest == "-1" => Reply::Null,
            "*" => Reply::List((0..rest.parse::<usize>().unwrap()).map(|_| self.reply()).collect()),
            _ => panic!("{line:?}"),
        }
    }
}

impl Connection {
    /// A reply as it came.
    pub(crate) fn raw(&mut self) -> Vec<u8> {
        let (mut reply, mut scanner) = (Vec::new(), Scanner::default());
        loop {
            let there = self.0.fill_buf().unwrap();
            assert!(!there.is_empty(), "the server has ended the connection");
            let (before, more) = (reply.len(), there.len());
            reply.extend_from_slice(there);
            match scanner.end(&reply).unwrap() {
                Some(end) => {
                    reply.truncate(end);
                    self.0.consume(end - before);
                    return reply;
                }
                None => self.0.consume(more),
            }
        }
    }
}

pub(crate) fn encoded<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}
