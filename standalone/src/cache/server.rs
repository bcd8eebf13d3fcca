//! A `redis-server` of the proxy's own: on a unix socket in a directory that nobody else may enter, with a password that is made
//! for each start and is in no file, argument or environment.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Uid, chown};
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_service::Shutdown;
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::NoCache;
use super::child;
use crate::config::CacheConfig;

const PROGRAM: &str = "redis-server";
/// Of no user, and of no sandbox: those have numbers above it.
const USER: u32 = 1_999_999_999;
/// Until its socket is there.
const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);
/// For its end before it is killed. It has nothing to save.
const END: Duration = Duration::from_secs(2);
/// Pause before a server that has died is started again, doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// One that has lived as long starts with the first pause again.
const STABLE: Duration = Duration::from_secs(60);

/// A running server. It is started again when it dies.
#[derive(Debug)]
pub(super) struct PrivateRedis {
    settings: Arc<Settings>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

#[derive(Debug)]
struct Settings {
    program: PathBuf,
    /// Removed with the server.
    directory: PathBuf,
    password: SecretString,
    memory: u64,
    largest_value: u64,
}

impl PrivateRedis {
    pub(super) async fn start(config: &CacheConfig, tasks: &Shutdown) -> Result<Self, NoCache> {
        let program = find(PROGRAM).ok_or(NoCache::NotInstalled)?;
        let settings = Settings {
            program,
            directory: directory().map_err(NoCache::Redis)?,
            password: password().map_err(NoCache::Redis)?,
            memory: config.memory,
            largest_value: config.proxy.budget.value_bytes,
        };
        let settings = Arc::new(settings);
        let child = match start(&settings).await {
            Ok(child) => child,
            Err(error) => {
                settings.clean_up();
                return Err(NoCache::Redis(error));
            }
        };
        let server = Self { settings, stop: CancellationToken::new(), stopped: CancellationToken::new() };
        let (settings, stop, stopped) =
            (Arc::clone(&server.settings), server.stop.clone(), server.stopped.clone());
        tasks.spawn("redis-server", async move {
            // However this task ends: somebody waits for it.
            let _stopped = stopped.drop_guard();
            keep(&settings, child, &stop).await;
            settings.clean_up();
        });
        Ok(server)
    }

    /// How it is reached, secret and all.
    pub(super) fn upstream(&self) -> UpstreamConfig {
        let login = Login { user: None, password: Some(self.settings.password.clone()) };
        UpstreamConfig::new(Address::Unix(self.settings.socket()), login, Protocol::Resp2)
    }

    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

impl Settings {
    fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    /// What it reads on its standard input, which no other process sees.
    fn text(&self) -> Zeroizing<String> {
        let (socket, directory) = (self.socket(), &self.directory);
        let lines = [
            "port 0".to_owned(),
            format!("unixsocket {}", socket.display()),
            "unixsocketperm 700".to_owned(),
            format!("dir {}", directory.display()),
            format!("maxmemory {}", self.memory),
            // A connection whose replies take more than all keys may is closed: there is nothing else that would bound them.
            format!("client-output-buffer-limit normal {} 0 0", self.memory),
            // The proxy makes room among what each namespace has of its own.
            "maxmemory-policy noeviction".to_owned(),
            // Values grow by APPEND, too.
            format!("proto-max-bulk-len {}", self.largest_value.max(1 << 20)),
            "save \"\"".to_owned(),
            "appendonly no".to_owned(),
            "databases 1".to_owned(),
            "loglevel warning".to_owned(),
        ];
        let mut text = Zeroizing::new(String::with_capacity(4096));
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str("requirepass ");
        text.push_str(self.password.expose_secret());
        text.push('\n');
        text
    }

    fn clean_up(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, directory = %self.directory.display(), "cannot remove the cache's directory");
        }
    }
}

async fn keep(settings: &Settings, mut child: Child, stop: &CancellationToken) {
    let mut pause = PAUSE.0;
    loop {
        let since = tokio::time::Instant::now();
        let Some(status) = stop.run_until_cancelled(child.wait()).await else { break };
        tracing::error!(status = %shown(status), "the cache's redis-server has died, what it had is lost");
        if since.elapsed() > STABLE {
            pause = PAUSE.0;
        }
        child = loop {
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(PAUSE.1);
            match start(settings).await {
                Ok(child) => break child,
                Err(error) => tracing::error!(%error, "the cache's redis-server does not start again"),
            }
        };
    }
    end(&mut child).await;
}

fn shown(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

async fn end(child: &mut Child) {
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // If it is gone, that was wanted.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(END, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "the cache's redis-server cannot be ended");
    }
}

/// Returns when its socket is there.
async fn start(settings: &Settings) -> io::Result<Child> {
    // One of before would be taken for the new one's.
    match std::fs::remove_file(settings.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let user = if Uid::effective().is_root() { USER.to_string() } else { "-".to_owned() };
    let mut child = Command::new("/proc/self/exe")
        .arg0(child::NAME)
        .arg(user)
        .arg(&settings.program)
        .arg("-")
        .env_clear()
        .current_dir(&settings.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    input.write_all(settings.text().as_bytes()).await?;
    drop(input);
    let there = async {
        loop {
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("it ended at once: {status}")));
            }
            if tokio::net::UnixStream::connect(settings.socket()).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = || Err(io::Error::other(format!("it does not listen after {} s", START.as_secs())));
    tokio::time::timeout(START, there).await.unwrap_or_else(|_| late())?;
    Ok(child)
}

/// A new one in the system's place for such, with a path as short as sockets need it.
fn directory() -> io::Result<PathBuf> {
    let name = format!("oxwhisk-cache-{:016x}", random::<8>().map(u64::from_be_bytes)?);
    let path = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
    if Uid::effective().is_root() {
        chown(&path, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER)))?;
    }
    Ok(path)
}

fn password() -> io::Result<SecretString> {
    let bits = Zeroizing::new(random::<32>()?);
    let mut text = String::with_capacity(64);
    for byte in bits.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    Ok(text.into())
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bits = [0; N];
    rand::rngs::OsRng.try_fill_bytes(&mut bits).map_err(io::Error::other)?;
    Ok(bits)
}

/// Where a program is that `PATH` leads to.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|found| is_program(found))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
