//! The server's hold on its launcher process: a thread that starts it, speaks with it, and starts it again if it dies.
//!
//! It is a thread of its own for a reason: the kernel ends sandboxes when the *thread* that counts as their parent
//! ends, and the threads of an async runtime come and go.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use oxwhisk_sandbox_init::sys::pidfd_signal;
use oxwhisk_sandbox_init::{Failure, LAUNCHER_NAME, Reply, Request, RootLayout, SocketKind, channel};
use tokio::sync::{mpsc, oneshot};

use crate::error::SetupError;
use crate::rootless::{self, IdRange};

/// Requests that may wait for the launcher's thread.
const QUEUE: usize = 64;

/// Why the launcher did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the sandbox launcher is gone: {0}")]
    Gone(String),
    #[error("the sandbox launcher did not answer in time")]
    Timeout,
}

struct Call {
    request: Request,
    fds: Vec<OwnedFd>,
    reply: oneshot::Sender<Result<(Reply, Vec<OwnedFd>), LaunchError>>,
}

/// A handle on the launcher. When the last one is dropped, the launcher and every sandbox end.
#[derive(Debug)]
pub(crate) struct Launcher {
    calls: mpsc::Sender<Call>,
    /// Process id at the start; of use only where the launcher holds the network (it is not restarted then).
    pid: u32,
    timeout: Duration,
}

/// What a launcher is made with, and made again with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) executable: PathBuf,
    /// Ids to map into a user namespace of its own, where the server is not root.
    pub(crate) ids: Option<IdRange>,
    pub(crate) timeout: Duration,
}

impl Launcher {
    /// Starts the process (and its thread).
    pub(crate) async fn start(plan: Plan) -> Result<Self, SetupError> {
        let (calls, queue) = mpsc::channel(QUEUE);
        let (started, result) = oneshot::channel();
        let timeout = plan.timeout;
        std::thread::Builder::new()
            .name("sandbox-launcher".into())
            .spawn(move || run(plan, queue, started))
            .map_err(SetupError::doing("cannot start the launcher's thread"))?;
        let gone = || SetupError::Missing("the launcher's thread ended".into());
        let pid = result.await.map_err(|_| gone())??;
        Ok(Self { calls, pid, timeout })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Builds the file tree and moves the launcher into it.
    pub(crate) async fn enter_root(&self, layout: RootLayout) -> Result<(), LaunchError> {
        self.call(Request::EnterRoot(layout), Vec::new()).await.map(drop)
    }

    /// A socket bound in the network namespace the sandboxes are linked to.
    pub(crate) async fn listen(
        &self,
        address: std::net::SocketAddrV4,
        kind: SocketKind,
    ) -> Result<OwnedFd, LaunchError> {
        let (_, fds) = self.call(Request::Listen { address, kind }, Vec::new()).await?;
        fds.into_iter().next().ok_or_else(|| LaunchError::Gone("it sent no socket".into()))
    }

    /// One request and its answer, in no more than the step time-out.
    pub(crate) async fn call(
        &self,
        request: Request,
        fds: Vec<OwnedFd>,
    ) -> Result<(Reply, Vec<OwnedFd>), LaunchError> {
        let (reply, answer) = oneshot::channel();
        let gone = || LaunchError::Gone("its thread ended".into());
        let exchange = async {
            self.calls.send(Call { request, fds, reply }).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        tokio::time::timeout(self.timeout, exchange).await.map_err(|_| LaunchError::Timeout)?
    }
}

/// The thread's body.
fn run(plan: Plan, mut queue: mpsc::Receiver<Call>, started: oneshot::Sender<Result<u32, SetupError>>) {
    let mut process = match Process::start(&plan) {
        Ok(process) => process,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    if started.send(Ok(process.child.id())).is_err() {
        return;
    }
    let mut root = None;
    while let Some(call) = queue.blocking_recv() {
        let layout = if let Request::EnterRoot(layout) = &call.request { Some(layout.clone()) } else { None };
        let result = process.exchange(&call.request, &call.fds);
        let broken = matches!(result, Err(LaunchError::Gone(_)));
        if result.is_ok() && layout.is_some() {
            root = layout;
        }
        if let Err(Ok((Reply::Forked { .. }, fds))) = call.reply.send(result) {
            end_unclaimed(&fds);
        }
        if broken {
            match restart(&plan, root.as_ref()) {
                Ok(new) => process = new,
                Err(error) => {
                    tracing::error!(%error, "the sandbox launcher died and cannot be started again");
                    return;
                }
            }
        }
    }
}

/// Ends a sandbox whose caller has given up waiting for it.
fn end_unclaimed(fds: &[OwnedFd]) {
    for pidfd in fds {
        let _ = pidfd_signal(pidfd, libc::SIGKILL);
        let _ = waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED);
    }
}

/// A launcher that held the network of its sandboxes took it with it: then there is no going on.
fn restart(plan: &Plan, root: Option<&RootLayout>) -> Result<Process, SetupError> {
    if plan.ids.is_some() {
        return Err(SetupError::Missing("the launcher held the sandboxes' network".into()));
    }
    let process = Process::start(plan)?;
    if let Some(root) = root {
        process
            .exchange(&Request::EnterRoot(root.clone()), &[])
            .map_err(|error| SetupError::Missing(error.to_string()))?;
    }
    tracing::warn!(pid = process.child.id(), "the sandbox launcher had died and was started again");
    Ok(process)
}

struct Process {
    child: Child,
    /// `None` only while it is being dropped.
    socket: Option<OwnedFd>,
}

impl Process {
    fn start(plan: &Plan) -> Result<Self, SetupError> {
        let (ours, theirs) =
            channel::pair().map_err(SetupError::doing("cannot make the launcher's socket"))?;
        set_timeouts(&ours, plan.timeout).map_err(SetupError::doing("cannot limit the launcher's waits"))?;
        let child = Command::new(&plan.executable)
            .arg0(LAUNCHER_NAME)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(SetupError::path("start", &plan.executable))?;
        let process = Self { child, socket: Some(ours) };
        if let Some(ids) = &plan.ids {
            process.map_ids(ids)?;
        }
        Ok(process)
    }

    fn map_ids(&self, ids: &IdRange) -> Result<(), SetupError> {
        let failed = |error: LaunchError| SetupError::Missing(error.to_string());
        self.exchange(&Request::EnterUserNamespace, &[]).map_err(failed)?;
        rootless::map_ids(self.child.id(), ids)?;
        self.exchange(&Request::BecomeNamespaceRoot, &[]).map_err(failed)?;
        Ok(())
    }

    fn exchange(&self, request: &Request, fds: &[OwnedFd]) -> Result<(Reply, Vec<OwnedFd>), LaunchError> {
        let gone = |error: io::Error| LaunchError::Gone(error.to_string());
        let socket = self.socket.as_ref().ok_or_else(|| LaunchError::Gone("closed".into()))?;
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        channel::send(socket, request, &fds).map_err(gone)?;
        match channel::receive(socket).map_err(gone)? {
            Some((Reply::Failed(failure), _)) => Err(failure.into()),
            Some(answer) => Ok(answer),
            None => Err(LaunchError::Gone("it closed its socket".into())),
        }
    }
}

impl Drop for Process {
    /// Closing the socket ends it; killing it as well does not depend on its being well.
    fn drop(&mut self) {
        self.socket.take();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_timeouts(socket: &OwnedFd, timeout: Duration) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    use nix::sys::time::TimeVal;
    let seconds = libc::time_t::try_from(timeout.as_secs()).map_err(io::Error::other)?;
    let limit = TimeVal::new(seconds, libc::suseconds_t::from(timeout.subsec_micros() as i32));
    setsockopt(socket, sockopt::ReceiveTimeout, &limit)?;
    setsockopt(socket, sockopt::SendTimeout, &limit)?;
    Ok(())
}
