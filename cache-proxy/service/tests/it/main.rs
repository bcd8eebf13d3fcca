//! The real binary.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oxwhisk_redis_server::RedisServer;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "the-secret-of-the-redis";
/// 32 bytes.
const KEYS: &str = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A folder with what it is started with.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::write(files.path("password"), format!("{PASSWORD}\n")).unwrap();
        fs::write(files.path("keys"), KEYS).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// With these flags in place of the usual ones, or beside them.
    fn command(&self, redis: &Path, flags: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cache-proxy"));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let text = |path: PathBuf| path.display().to_string();
        let usual = [
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--redis", format!("unix:{}", redis.display())),
            ("--redis-password-file", text(self.path("password"))),
            ("--ticket-keys", text(self.path("keys"))),
            ("--grpc-listen", format!("unix:{}", text(self.path("grpc.sock")))),
            ("--ready-file", text(self.path("ready"))),
        ];
        for (flag, value) in &usual {
            if flags.iter().all(|(other, _)| other != flag) {
                command.args([*flag, value.as_str()]);
            }
        }
        for (flag, value) in flags {
            command.arg(flag);
            if !value.is_empty() {
                command.arg(value);
            }
        }
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until<T>(what: &str, files: &Files, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "in vain: {what}: {}", files.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Status and body.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
}

#[test]
fn it_serves_is_ready_with_its_redis_keeps_the_secret_and_ends_when_asked() {
    let test = "it_serves_is_ready_with_its_redis_keeps_the_secret_and_ends_when_asked";
    let Some(mut redis) = RedisServer::start_with(test, Some(PASSWORD)) else { return };
    let files = Files::new();
    let ops = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = files.command(&redis.socket(), &[("--ops-listen", &format!("127.0.0.1:{ops}"))]);
    command.stderr(fs::File::create(files.path("log")).unwrap());
    let mut running = Running(command.spawn().unwrap());
    let ready = until("the ready file", &files, || fs::read_to_string(files.path("ready")).ok());
    let address = ready.split('"').find(|part| part.starts_with("127.0.0.1:")).unwrap().to_owned();
    until("readiness", &files, || get(ops, "/ready").filter(|(status, _)| *status == 200));
    let mut client = TcpStream::connect(&address).unwrap();
    client.write_all(b"GET k\r\n").unwrap();
    let mut answer = [0; 64];
    let length = client.read(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"-NOAUTH Authentication required.\r\n");
    let (_, metrics) = get(ops, "/metrics").unwrap();
    assert!(metrics.contains("oxwhisk_cache_connections 1"), "{metrics}");
    redis.kill();
    let away =
        until("that it is not ready", &files, || get(ops, "/ready").filter(|(status, _)| *status == 503));
    assert!(away.1.contains("redis"), "{}", away.1);
    redis.start_again();
    until("readiness again", &files, || get(ops, "/ready").filter(|(status, _)| *status == 200));
    // The secret is where it has to be, in its memory, and nowhere that others look.
    let process = format!("/proc/{}", running.0.id());
    for shown in ["environ", "cmdline"] {
        let shown = fs::read(format!("{process}/{shown}")).unwrap();
        assert!(!String::from_utf8_lossy(&shown).contains(PASSWORD));
    }
    assert!(!files.log().contains(PASSWORD) && !metrics.contains(PASSWORD));
    kill(Pid::from_raw(running.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = until("its end", &files, || running.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{}", files.log());
}

#[test]
fn what_it_cannot_start_with_is_named() {
    let files = Files::new();
    let refused = |flag: (&str, &str)| {
        let mut command = files.command(Path::new("/nowhere"), &[flag]);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    fs::write(files.path("empty"), "").unwrap();
    let empty = files.path("empty").display().to_string();
    for (flag, code, says) in [
        (("--redis", "nowhere"), 64, "'nowhere' is no address of a Redis"),
        (("--redis-password-file", "/no/such/file"), 64, "'/no/such/file' cannot be read"),
        (("--ticket-keys", &*empty), 64, "there is no key"),
        (("--grpc-listen", "0.0.0.0:1"), 64, "plain text is refused"),
        (("--no-such-flag", ""), 64, "--no-such-flag"),
    ] {
        let (found, said) = refused(flag);
        assert_eq!(found, code, "{flag:?}: {said}");
        assert!(said.contains(says), "{flag:?}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains(&KEYS[2..]), "{said}");
    }
}
