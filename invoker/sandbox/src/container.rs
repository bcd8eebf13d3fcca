//! One running sandbox.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use oxwhisk_container::{Container, ContainerError, Endpoint, ExitReason, LogStream};
use oxwhisk_sandbox_init::SOCKET_NAME;
use oxwhisk_sandbox_init::sys::pidfd_signal;
use tokio::io::unix::AsyncFd;

use crate::cgroup::Group;
use crate::launcher::Launcher;
use crate::listening::socket_appears;
use crate::logs::Output;
use crate::processes;
use crate::slots::{Slot, SlotPool};

/// Longest that [`Container::exit_reason`] waits for an exit that is about to be seen.
const EXIT_NOTICE: Duration = Duration::from_millis(100);
/// Between attempts to remove a group whose last process is on its way out.
const REMOVE_PAUSE: Duration = Duration::from_millis(1);

/// The first process of a sandbox, and with it the sandbox: when it ends, the kernel ends the others.
#[derive(Debug)]
pub(crate) struct Life {
    pidfd: AsyncFd<OwnedFd>,
    group: Group,
    ended: Mutex<Option<ExitReason>>,
    over_memory: AtomicBool,
}

impl Life {
    pub(crate) fn new(pidfd: OwnedFd, group: Group) -> io::Result<Self> {
        let pidfd = crate::sys::wait_readable(pidfd)?;
        Ok(Self { pidfd, group, ended: Mutex::new(None), over_memory: AtomicBool::new(false) })
    }

    fn ended(&self) -> MutexGuard<'_, Option<ExitReason>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reason if it has ended; takes the exit status from the kernel the first time.
    fn look(&self) -> Option<ExitReason> {
        let mut ended = self.ended();
        if ended.is_none() {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
            let status = match waitid(Id::PIDFd(self.pidfd.get_ref().as_fd()), flags) {
                Ok(WaitStatus::StillAlive) => return None,
                Ok(WaitStatus::Exited(_, status)) => ExitReason::Exited(status),
                Ok(WaitStatus::Signaled(_, signal, _)) => ExitReason::Signalled(signal as i32),
                // Somebody else in this program has waited for every child: it is gone, the status too.
                Ok(_) | Err(_) => ExitReason::Signalled(libc::SIGKILL),
            };
            let memory = self.over_memory.load(Ordering::Relaxed) || self.group.out_of_memory_kills() > 0;
            *ended = Some(if memory { ExitReason::OutOfMemory } else { status });
        }
        *ended
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.look().is_some()
    }

    /// Waits for the end, at most `limit`.
    pub(crate) async fn wait(&self, limit: Duration) -> Option<ExitReason> {
        if let Some(reason) = self.look() {
            return Some(reason);
        }
        let _ = tokio::time::timeout(limit, self.pidfd.readable()).await;
        self.look()
    }

    /// Waits for the end as long as it takes; the status is left to [`Life::look`].
    async fn over(&self) {
        // An error would mean that the runtime shuts down, and this task with it.
        let _ = self.pidfd.readable().await;
    }

    /// Waits without a runtime: for [`Drop`].
    fn wait_blocking(&self, limit: Duration) -> Option<ExitReason> {
        let mut fds = [PollFd::new(self.pidfd.get_ref().as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX));
        self.look()
    }

    /// Ends every process; none can refuse or escape.
    pub(crate) fn kill(&self) {
        // Not after the exit status was taken: from then on there is no process to end.
        if self.ended().is_none() {
            let _ = pidfd_signal(self.pidfd.get_ref(), libc::SIGKILL);
        }
        self.group.kill();
        // A v1 freezer holds even the killed; where nothing is frozen this does nothing.
        let _ = self.group.set_frozen(false);
    }

    /// The watchdog's verdict.
    pub(crate) fn end_for_memory(&self) {
        self.over_memory.store(true, Ordering::Relaxed);
        self.kill();
    }
}

/// What a sandbox holds and gives back.
#[derive(Debug)]
struct Held {
    slot: Slot,
    slots: Arc<SlotPool>,
}

/// A sandbox as the pool sees it.
#[derive(Debug)]
pub(crate) struct SandboxContainer {
    name: String,
    endpoint: Endpoint,
    life: Arc<Life>,
    host_uid: u32,
    address: Option<Ipv4Addr>,
    logs: Mutex<Option<Output>>,
    /// `None` once everything is given back.
    held: tokio::sync::Mutex<Option<Held>>,
    /// The endpoint's path leads through this descriptor, so it stays open as long as the container is known.
    socket_directory: OwnedFd,
    /// The sandbox ends with its launcher's thread, so the thread stays.
    _launcher: Arc<Launcher>,
    step_timeout: Duration,
}

/// What a container is put together from.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) life: Arc<Life>,
    pub(crate) output: Output,
    pub(crate) slot: Slot,
    pub(crate) slots: Arc<SlotPool>,
    pub(crate) socket_directory: OwnedFd,
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) step_timeout: Duration,
}

impl SandboxContainer {
    pub(crate) fn new(parts: Parts) -> Self {
        // Through the descriptor, the path leads into the sandbox's mount namespace; it is short whatever the state
        // directory is called, and the mount it leads to follows no symbolic links.
        let path = format!("/proc/self/fd/{}/{SOCKET_NAME}", parts.socket_directory.as_raw_fd());
        Self {
            name: parts.name,
            endpoint: Endpoint::Unix(PathBuf::from(path)),
            life: parts.life,
            host_uid: parts.slot.host_uid,
            address: parts.slot.address,
            logs: Mutex::new(Some(parts.output)),
            held: tokio::sync::Mutex::new(Some(Held { slot: parts.slot, slots: parts.slots })),
            socket_directory: parts.socket_directory,
            _launcher: parts.launcher,
            step_timeout: parts.step_timeout,
        }
    }

    /// For the watchdog.
    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn error(&self, doing: &str, error: impl std::fmt::Display) -> ContainerError {
        ContainerError(format!("cannot {doing} sandbox {}: {error}", self.name))
    }

    async fn set_stopped(&self, stopped: bool) -> io::Result<()> {
        if self.life.group.set_frozen(stopped)? {
            return Ok(());
        }
        let (uid, limit) = (self.host_uid, self.step_timeout);
        let work =
            move || if stopped { processes::stop_all(uid, limit) } else { processes::continue_all(uid) };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }

    async fn remove_group(&self) -> io::Result<()> {
        let deadline = Instant::now() + self.step_timeout;
        loop {
            match self.life.group.try_remove() {
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(REMOVE_PAUSE).await,
                Ok(()) => return Ok(()),
            }
        }
    }
}

#[async_trait]
impl Container for SandboxContainer {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Only what goes beyond the host is translated, and packets with another sender's address do not pass its link
    /// ([`RuleSet`](crate::network::RuleSet)). The gateway's address is on the same side of `pasta` as the links.
    fn address(&self) -> Option<IpAddr> {
        self.address.map(IpAddr::V4)
    }

    async fn listening(&self) -> Result<(), ExitReason> {
        tokio::select! {
            () = self.life.over() => return self.life.look().map_or(Ok(()), Err),
            appeared = socket_appears(self.socket_directory.as_fd()) => if let Err(error) = appeared {
                tracing::warn!(container = %self.name, %error, "cannot watch for the socket: it is asked for instead");
            },
        }
        Ok(())
    }

    fn take_logs(&self) -> Option<LogStream> {
        let output = self.logs.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Box::pin(output))
    }

    async fn suspend(&self) -> Result<(), ContainerError> {
        self.set_stopped(true).await.map_err(|error| self.error("suspend", error))
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        self.set_stopped(false).await.map_err(|error| self.error("resume", error))
    }

    async fn exit_reason(&self) -> Option<ExitReason> {
        self.life.wait(EXIT_NOTICE).await
    }

    async fn destroy(&self) -> Result<(), ContainerError> {
        let mut held = self.held.lock().await;
        if held.is_none() {
            return Ok(());
        }
        self.life.kill();
        if self.life.wait(self.step_timeout).await.is_none() {
            return Err(self.error("end", "its first process does not die"));
        }
        self.remove_group().await.map_err(|error| self.error("clean up after", error))?;
        if let Some(Held { slot, slots }) = held.take() {
            slots.give_back(slot);
        }
        Ok(())
    }
}

impl Drop for SandboxContainer {
    /// Without [`Container::destroy`]: the same, without waiting long. What does not go at once is left to the next
    /// clean-up, and its slot is not used again.
    fn drop(&mut self) {
        let Some(Held { slot, slots }) = self.held.get_mut().take() else { return };
        self.life.kill();
        let ended = self.life.wait_blocking(Duration::from_secs(1)).is_some();
        if ended && self.life.group.try_remove().is_ok() {
            slots.give_back(slot);
        } else {
            tracing::warn!(container = %self.name, "a sandbox was dropped and is not quite gone");
        }
    }
}
