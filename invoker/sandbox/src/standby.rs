//! Sandboxes made ahead of need: everything in place but the program and its limits.
//!
//! Most of a cold start is waiting for the kernel, above all the 10 ms in which it lets a process join a cgroup on a
//! machine that was quiet. A standby has waited already.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_sandbox_init::{ChildReport, ProgramSpec, Reply, Request, StandbySpec, Start, channel};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::cgroup::{Cgroups, Group, GroupLimits};
use crate::container::Life;
use crate::launcher::{LaunchError, Launcher};
use crate::slots::{Slot, SlotPool};
use crate::sys;
use crate::zygote::Zygote;

/// Who forks a sandbox.
#[derive(Clone, Debug)]
pub(crate) enum Parent {
    Launcher(Arc<Launcher>),
    Zygote(Arc<Zygote>),
}

impl Parent {
    /// Whether it may still fork.
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            // Its thread starts it again when it dies.
            Self::Launcher(_) => true,
            Self::Zygote(zygote) => zygote.is_alive(),
        }
    }

    async fn fork(&self, spec: StandbySpec, fds: Vec<OwnedFd>) -> Result<OwnedFd, LaunchError> {
        let request = Request::Standby(spec);
        let (reply, fds) = match self {
            Self::Launcher(launcher) => launcher.call(request, fds).await?,
            Self::Zygote(zygote) => zygote.call(request, fds).await?,
        };
        match (reply, fds.into_iter().next()) {
            (Reply::Forked { .. }, Some(pidfd)) => Ok(pidfd),
            _ => Err(LaunchError::Gone("it sent no process".into())),
        }
    }
}

/// How a standby is made, whoever forks it.
#[derive(Debug)]
pub(crate) struct StandbyMaker {
    pub(crate) slots: Arc<SlotPool>,
    pub(crate) cgroups: Arc<Cgroups>,
    /// Longest wait for one step.
    pub(crate) step_timeout: Duration,
    /// Carries on what outlasts a standby: the wait for the end of its process.
    pub(crate) tasks: TaskTracker,
}

impl StandbyMaker {
    /// Makes one. Not to be given up half way: a zygote's answer would be taken for that to the next request.
    pub(crate) async fn make(&self, parent: &Parent, slot: Slot) -> io::Result<Standby> {
        let spec = StandbySpec { uid: slot.uid, open_socket: !nix::unistd::geteuid().is_root() };
        // Of the slots that are in use each has its uid, so no other group bears the name.
        let mut place = Place::new(self, slot);
        let group = self.cgroups.create(&format!("sandbox-{}", spec.uid))?;
        let procs = group.open_procs();
        place.group = Some(group.clone());
        let (server, theirs) = channel::pair()?;
        let slot = place.slot.as_ref().ok_or_else(|| io::Error::other("the slot is gone"))?;
        let mut fds = vec![theirs, slot.user_namespace.try_clone()?, slot.network_namespace.try_clone()?];
        fds.extend(procs?);
        let forked = parent.fork(spec, fds).await;
        if matches!(forked, Err(LaunchError::Timeout | LaunchError::Gone(_))) {
            // A process may be in it that nobody here knows: the slot is not used again.
            place.slot = None;
        }
        place.life = Some(Arc::new(Life::new(forked.map_err(io::Error::other)?, group)?));
        sys::set_nonblocking(&server)?;
        let server = sys::wait_readable(server)?;
        let ready = async {
            match next_report(&server).await? {
                Some((ChildReport::Ready, fds)) => {
                    fds.into_iter().next().ok_or_else(|| io::Error::other("it sent no socket directory"))
                }
                Some((ChildReport::Failed(failure), _)) => Err(io::Error::other(failure)),
                None => Err(io::Error::other("it ended while it was prepared")),
            }
        };
        let socket_directory = self.within(ready).await?;
        Ok(Standby { place, server, socket_directory })
    }

    async fn within<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        tokio::time::timeout(self.step_timeout, step)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it did not start in time"))?
    }

    /// Gives a standby its limits and its program; returns when that runs.
    pub(crate) async fn start(
        &self,
        mut standby: Standby,
        limits: GroupLimits,
        program: ProgramSpec,
        output: [OwnedFd; 2],
    ) -> io::Result<Started> {
        let (Some(group), Some(life)) = (&standby.place.group, &standby.place.life) else {
            return Err(io::Error::other("the standby is gone"));
        };
        group.limit(&limits)?;
        let life = Arc::clone(life);
        channel::send(standby.server.get_ref(), &Start(program), &[output[0].as_fd(), output[1].as_fd()])?;
        // Held here, the pipes would never end.
        drop(output);
        let runs = async {
            match next_report(&standby.server).await? {
                // Closed by the start of the program, or by the end of the process, which is for the pool to notice.
                None => Ok(()),
                Some((ChildReport::Failed(failure), _)) => Err(io::Error::other(failure)),
                Some((ChildReport::Ready, _)) => Err(io::Error::other("it reported out of turn")),
            }
        };
        self.within(runs).await?;
        let slot = standby.place.slot.take().ok_or_else(|| io::Error::other("the slot is gone"))?;
        // From here on the container is answerable for all of it.
        standby.place.group = None;
        standby.place.life = None;
        Ok(Started { life, slot, socket_directory: standby.socket_directory })
    }
}

async fn next_report(server: &AsyncFd<OwnedFd>) -> io::Result<Option<(ChildReport, Vec<OwnedFd>)>> {
    server.async_io(Interest::READABLE, |socket| channel::receive::<ChildReport>(socket)).await
}

/// A process in its sandbox that waits for its program. Dropping it undoes it.
#[derive(Debug)]
pub(crate) struct Standby {
    place: Place,
    server: AsyncFd<OwnedFd>,
    socket_directory: OwnedFd,
}

impl Standby {
    /// Whether its process is still there.
    pub(crate) fn waits(&self) -> bool {
        self.place.life.as_ref().is_some_and(|life| !life.has_ended())
    }
}

/// A sandbox whose program runs.
pub(crate) struct Started {
    pub(crate) life: Arc<Life>,
    pub(crate) slot: Slot,
    pub(crate) socket_directory: OwnedFd,
}

/// What a sandbox in the making holds. Dropping it undoes it, in a task: the end of its process is waited for.
#[derive(Debug)]
struct Place {
    slot: Option<Slot>,
    group: Option<Group>,
    life: Option<Arc<Life>>,
    slots: Arc<SlotPool>,
    tasks: TaskTracker,
}

impl Place {
    fn new(maker: &StandbyMaker, slot: Slot) -> Self {
        let (slots, tasks) = (Arc::clone(&maker.slots), maker.tasks.clone());
        Self { slot: Some(slot), group: None, life: None, slots, tasks }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (slot, group, life) = (self.slot.take(), self.group.take(), self.life.take());
        if slot.is_none() && group.is_none() {
            return;
        }
        let slots = Arc::clone(&self.slots);
        // Without a runtime the program ends, and every sandbox with its launcher.
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.spawn_on(undo(slot, group, life, slots), &runtime);
        }
    }
}

/// What does not go at once is left to the next clean-up, and its slot is not used again.
async fn undo(slot: Option<Slot>, group: Option<Group>, life: Option<Arc<Life>>, slots: Arc<SlotPool>) {
    if let Some(life) = life {
        life.kill();
        if life.wait(Duration::from_secs(1)).await.is_none() {
            return;
        }
    }
    let removed = group.is_none_or(|group| group.try_remove().is_ok());
    if let Some(slot) = slot.filter(|_| removed) {
        slots.give_back(slot);
    }
}
