//! A real `redis-server` for tests, each its own: on a unix socket in a temporary directory, and gone with the test. What
//! it is asked is encoded and read by hand, so that tests of our protocol code do not rest on that.

mod connection;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use connection::{Connection, Reply, encoded};

/// How long it may take to answer at all.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Child>,
    password: Option<String>,
    directory: tempfile::TempDir,
}

impl RedisServer {
    /// `None`, and a line that says so, where this machine has none.
    ///
    /// # Panics
    /// When it is there and does not start.
    #[must_use]
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, None)
    }

    /// One that wants a password.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start_with(test: &str, password: Option<&str>) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Self { process: None, password: password.map(str::to_owned), directory };
        match server.spawn() {
            Ok(process) => server.process = Some(process),
            Err(error) => {
                skipped(test, &format!("no redis-server (Debian package redis-server): {error}"));
                return None;
            }
        }
        drop(server.stream());
        Some(server)
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(self.socket());
        command.arg("--dir").arg(self.directory.path()).stdout(Stdio::null());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        command.spawn()
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis")
    }

    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// As `kill -9`: what it had is gone.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it ends");
        }
        // Whoever connects is refused, as with a port that nobody has.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Starts again, with nothing in it.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_again(&mut self) {
        self.process = Some(self.spawn().expect("it has started before"));
        drop(self.stream());
    }

    fn stream(&self) -> UnixStream {
        let start = Instant::now();
        loop {
            match UnixStream::connect(self.socket()) {
                Ok(stream) => return stream,
                Err(error) => {
                    assert!(start.elapsed() < DEADLINE, "redis-server does not answer: {error}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    /// A connection, logged in.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn connect(&self) -> Connection {
        let stream = self.stream();
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout of a socket");
        let mut connection = Connection::new(stream);
        if let Some(password) = &self.password {
            assert_eq!(connection.call(&["AUTH", password]), Reply::Status("OK".to_owned()));
        }
        connection
    }
}

#[expect(clippy::print_stdout, reason = "a test that did not run says so")]
fn skipped(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
