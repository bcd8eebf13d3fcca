//! One cold start: from what the pool asks for to a running sandbox.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use oxwhisk_container::{ContainerSpec, CreateError};
use tokio::io::Interest;

use crate::cgroup::{Cgroups, Group, GroupLimits};
use crate::channel;
use crate::config::SandboxConfig;
use crate::container::{Life, Parts, SandboxContainer};
use crate::launcher::{LaunchError, Launcher};
use crate::logs::Output;
use crate::message::{ChildReport, Reply, Request, SpawnSpec};
use crate::rootfs::{SOCKET_DIRECTORY, SOCKET_NAME};
use crate::slots::{Slot, SlotPool};
use crate::sys;

/// A runtime whose interpreter has been found.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) kinds: Vec<String>,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: std::path::PathBuf,
}

impl Runtime {
    /// Whether this runtime is for `kind`: named whole, or by what stands before the colon.
    pub(crate) fn serves(&self, kind: &str) -> bool {
        let family = kind.split(':').next().unwrap_or(kind);
        self.kinds.iter().any(|served| served == kind || served == family)
    }
}

/// What every start needs.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) slots: Arc<SlotPool>,
    pub(crate) cgroups: Arc<Cgroups>,
    /// Whether a memory cgroup holds the limit.
    pub(crate) memory_cgroup: bool,
    pub(crate) config: SandboxConfig,
}

/// Undoes a start that did not get to its end.
struct Unfinished<'a> {
    starter: &'a Starter,
    slot: Option<Slot>,
    group: Option<Group>,
    life: Option<Arc<Life>>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(life) = &self.life {
            life.kill();
            if life.wait_blocking(Duration::from_secs(1)).is_none() {
                return;
            }
        }
        let removed = self.group.as_ref().is_none_or(|group| group.try_remove().is_ok());
        if let Some(slot) = self.slot.take().filter(|_| removed) {
            self.starter.slots.give_back(slot);
        }
    }
}

impl Starter {
    /// Starts `runtime` for `spec`; returns when the runtime's program runs, or says which step failed.
    pub(crate) async fn start(
        &self,
        runtime: &Runtime,
        spec: &ContainerSpec,
    ) -> Result<(SandboxContainer, u32), CreateError> {
        let limit = self.config.step_timeout;
        let slot = self.slots.take(limit).await.map_err(CreateError::Platform)?;
        let mut unfinished = Unfinished { starter: self, slot: Some(slot), group: None, life: None };
        self.start_in_slot(runtime, spec, &mut unfinished)
            .await
            .map_err(|error| CreateError::Platform(format!("{}: {error}", spec.name)))
    }

    async fn start_in_slot(
        &self,
        runtime: &Runtime,
        spec: &ContainerSpec,
        unfinished: &mut Unfinished<'_>,
    ) -> io::Result<(SandboxContainer, u32)> {
        let limits = GroupLimits {
            memory: spec.memory,
            processes: self.config.max_processes,
            cpu_shares: spec.cpu_shares,
        };
        let group = self.cgroups.create(&spec.name, &limits)?;
        let procs = group.open_procs();
        unfinished.group = Some(group.clone());
        let slot = unfinished.slot.as_ref().ok_or_else(|| io::Error::other("the slot is gone"))?;
        let (stdout, stdout_write) = output_pipe()?;
        let (stderr, stderr_write) = output_pipe()?;
        let (report, report_write) = channel::pair()?;
        let mut fds = vec![
            stdout_write,
            stderr_write,
            report_write,
            slot.user_namespace.try_clone()?,
            slot.network_namespace.try_clone()?,
        ];
        fds.extend(procs?);
        let request = Request::Spawn(self.spawn_spec(runtime, spec, slot.uid));
        let answer = self.launcher.call(request, fds).await;
        if matches!(answer, Err(LaunchError::Timeout | LaunchError::Gone(_))) {
            // A process may be in it that nobody here knows: the slot is not used again.
            unfinished.slot = None;
        }
        let (reply, fds) = answer.map_err(io::Error::other)?;
        let (Reply::Spawned { .. }, Some(pidfd)) = (reply, fds.into_iter().next()) else {
            return Err(io::Error::other("the launcher sent no process"));
        };
        let life = Arc::new(Life::new(pidfd, group)?);
        unfinished.life = Some(Arc::clone(&life));
        let directory = self.started(report).await?;
        // From here on the container is answerable for all of it.
        unfinished.life = None;
        unfinished.group = None;
        let slot = unfinished.slot.take().ok_or_else(|| io::Error::other("the slot is gone"))?;
        let host_uid = slot.host_uid;
        let container = SandboxContainer::new(Parts {
            name: spec.name.clone(),
            life,
            output: Output::new(stdout, stderr),
            slot,
            slots: Arc::clone(&self.slots),
            socket_directory: directory,
            launcher: Arc::clone(&self.launcher),
            step_timeout: self.config.step_timeout,
        });
        Ok((container, host_uid))
    }

    /// Waits for the child to become the runtime, which closes the report socket; the socket's directory comes first.
    async fn started(&self, report: OwnedFd) -> io::Result<OwnedFd> {
        set_nonblocking(&report)?;
        let report = sys::wait_readable(report)?;
        let mut directory = None;
        let listen = async {
            loop {
                let next = report
                    .async_io(Interest::READABLE, |socket| channel::receive::<ChildReport>(socket))
                    .await?;
                match next {
                    None => {
                        return directory.ok_or_else(|| io::Error::other("it ended while it was started"));
                    }
                    Some((ChildReport::Failed(failure), _)) => return Err(io::Error::other(failure)),
                    Some((ChildReport::SocketDirectory, fds)) => directory = fds.into_iter().next(),
                }
            }
        };
        tokio::time::timeout(self.config.step_timeout, listen)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it did not start in time"))?
    }

    fn spawn_spec(&self, runtime: &Runtime, spec: &ContainerSpec, uid: u32) -> SpawnSpec {
        let tmp_size = self.config.tmp_size.min(spec.memory / 2);
        SpawnSpec {
            argv: runtime.argv.clone(),
            env: environment(&runtime.env, &spec.env),
            working_dir: runtime.working_dir.clone(),
            uid,
            open_socket: !nix::unistd::geteuid().is_root(),
            tmp_size,
            // Docker's default, within the same bound.
            shm_size: tmp_size.min(64 << 20),
            max_open_files: self.config.max_open_files,
            max_processes: u64::from(self.config.max_processes),
            max_data: (!self.memory_cgroup).then_some(spec.memory),
        }
    }
}

/// Later ones win: defaults, the runtime's, the pool's, and last where to listen, which nobody may change.
fn environment(runtime: &[(String, String)], pool: &[(String, String)]) -> Vec<String> {
    let defaults = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ];
    let listen = ("OW_LISTEN".to_owned(), format!("unix:{SOCKET_DIRECTORY}/{SOCKET_NAME}"));
    let mut merged = std::collections::BTreeMap::new();
    merged.extend(defaults.map(|(name, value)| (name.to_owned(), value)));
    merged.extend(runtime.iter().cloned());
    merged.extend(pool.iter().cloned());
    merged.extend([listen]);
    merged.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    // Only this end: programs expect their standard output to block.
    set_nonblocking(&read)?;
    Ok((read, write))
}

fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_match_whole_or_by_family() {
        let runtime = Runtime {
            kinds: vec!["nodejs".into(), "python:3".into()],
            argv: Vec::new(),
            env: Vec::new(),
            working_dir: "/".into(),
        };
        assert!(runtime.serves("nodejs:20") && runtime.serves("python:3"));
        assert!(!runtime.serves("python:2") && !runtime.serves("nodejsx:20"));
    }

    #[test]
    fn nobody_changes_where_the_runtime_listens() {
        let own =
            [("OW_LISTEN".to_owned(), "tcp:0.0.0.0:80".to_owned()), ("HOME".to_owned(), "/x".to_owned())];
        let env = environment(&[], &own);
        assert!(env.contains(&"OW_LISTEN=unix:/run/ow/socket".to_owned()), "{env:?}");
        assert!(env.contains(&"HOME=/x".to_owned()), "{env:?}");
        assert_eq!(env.iter().filter(|entry| entry.starts_with("OW_LISTEN=")).count(), 1);
    }
}
