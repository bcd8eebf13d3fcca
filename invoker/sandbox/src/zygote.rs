//! The server's hold on a zygote: an interpreter, started by the launcher, that has loaded a runtime and forks it.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::pipe2;
use oxwhisk_sandbox_init::sys::pidfd_signal;
use oxwhisk_sandbox_init::{ChildReport, Reply, Request, ZygoteSpec, channel};
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::launcher::{LaunchError, Launcher};
use crate::sys;

/// Most that is quoted of what a zygote wrote before it ended, in bytes.
const MAX_QUOTE: u64 = 2000;

/// A running zygote. Dropping it ends it; the sandboxes it has forked go on.
#[derive(Debug)]
pub(crate) struct Zygote {
    server: AsyncFd<OwnedFd>,
    pidfd: OwnedFd,
    /// One request and its answer at a time.
    turn: tokio::sync::Mutex<()>,
    lost: AtomicBool,
    timeout: Duration,
}

impl Zygote {
    /// Starts one; returns when it is ready to fork.
    ///
    /// # Errors
    /// If the interpreter ends before that, with what it wrote, or says why it cannot be a zygote.
    pub(crate) async fn start(launcher: &Launcher, spec: ZygoteSpec, timeout: Duration) -> io::Result<Self> {
        let (server, theirs) = channel::pair()?;
        let (errors, errors_write) = pipe2(OFlag::O_CLOEXEC)?;
        let request = Request::StartZygote(spec);
        let (_, fds) = launcher.call(request, vec![theirs, errors_write]).await.map_err(io::Error::other)?;
        let pidfd = fds.into_iter().next().ok_or_else(|| io::Error::other("the launcher sent no process"))?;
        sys::set_nonblocking(&server)?;
        let server = sys::wait_readable(server)?;
        let zygote = Self {
            server,
            pidfd,
            turn: tokio::sync::Mutex::default(),
            lost: AtomicBool::new(false),
            timeout,
        };
        let report = tokio::time::timeout(timeout, zygote.receive::<ChildReport>())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it was not ready in time"))??;
        match report {
            Some((ChildReport::Ready, _)) => Ok(zygote),
            Some((ChildReport::Failed(failure), _)) => Err(io::Error::other(failure)),
            None => Err(io::Error::other(format!("it ended: {}", quote(errors)?))),
        }
    }

    /// Whether it can be asked.
    pub(crate) fn is_alive(&self) -> bool {
        !self.lost.load(Ordering::Relaxed)
    }

    /// One request and its answer. After a failure of the exchange itself it is not asked again.
    pub(crate) async fn call(
        &self,
        request: Request,
        fds: Vec<OwnedFd>,
    ) -> Result<(Reply, Vec<OwnedFd>), LaunchError> {
        let exchange = async {
            let _turn = self.turn.lock().await;
            if !self.is_alive() {
                return Err(LaunchError::Gone("the zygote ended".into()));
            }
            let gone = |error: io::Error| LaunchError::Gone(error.to_string());
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            // One short message to an idle process: it fits, or the process does not read.
            channel::send(self.server.get_ref(), &request, &borrowed).map_err(gone)?;
            match self.receive().await.map_err(gone)? {
                Some((Reply::Failed(failure), _)) => Err(failure.into()),
                Some(answer) => Ok(answer),
                None => Err(LaunchError::Gone("the zygote ended".into())),
            }
        };
        let outcome = tokio::time::timeout(self.timeout, exchange).await.unwrap_or(Err(LaunchError::Timeout));
        if matches!(outcome, Err(LaunchError::Gone(_) | LaunchError::Timeout)) {
            self.lost.store(true, Ordering::Relaxed);
        }
        outcome
    }

    async fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        self.server.async_io(Interest::READABLE, |socket| channel::receive::<T>(socket)).await
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        let _ = pidfd_signal(&self.pidfd, libc::SIGKILL);
        let _ = waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED);
    }
}

/// What it wrote; the end of the pipe was closed with the process.
fn quote(errors: OwnedFd) -> io::Result<String> {
    let mut text = Vec::new();
    std::fs::File::from(errors).take(MAX_QUOTE).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).trim().replace('\n', "; "))
}
