//! Who waits for which pid. As pid 1 of a container the proxy inherits every orphan, and must reap them all without
//! taking its own child's end from under the thread that watches it.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard, PoisonError},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::sys::{self, Program};

/// Whether a child of ours was already waited for: its pid may then belong to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Unreaped,
    Reaped,
}

/// The process' children. One lock covers every spawn, wait and kill, so that no signal ever meets a reused pid.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    children: Mutex<Children>,
}

#[derive(Debug, Default)]
struct Children {
    known: HashMap<i32, Life>,
    /// The server is stopping: nobody would end a child that started now.
    stopping: bool,
}

impl Reaper {
    /// Starts a program as a child that this reaper knows; returns its pid and a descriptor that tells of its end.
    ///
    /// # Errors
    /// As [`sys::spawn`] and [`sys::open_pidfd`].
    pub(crate) fn spawn(&self, program: &Program<'_>) -> io::Result<(i32, OwnedFd)> {
        let mut children = self.lock();
        if children.stopping {
            return Err(io::Error::other("the proxy is stopping"));
        }
        let pid = sys::spawn(program)?;
        match sys::open_pidfd(pid) {
            Ok(pidfd) => {
                children.known.insert(pid, Life::Unreaped);
                Ok((pid, pidfd))
            }
            Err(error) => {
                kill_and_wait(pid);
                Err(error)
            }
        }
    }

    /// Reaps every child that has ended, known or orphan; called on SIGCHLD.
    pub(crate) fn reap_ended(&self) {
        let mut children = self.lock();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    if let Some(life) = children.known.get_mut(&pid.as_raw()) {
                        *life = Life::Reaped;
                    }
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Ends a known child with its process group, waits for it and forgets it.
    pub(crate) fn finish(&self, pid: i32) {
        let mut children = self.lock();
        if children.known.remove(&pid) == Some(Life::Unreaped) {
            kill_and_wait(pid);
        }
    }

    /// Forgets a known child that has ended by itself; whatever it left running in its group stays.
    pub(crate) fn forget_ended(&self, pid: i32) {
        let mut children = self.lock();
        if children.known.remove(&pid) == Some(Life::Unreaped) {
            wait_for(pid);
        }
    }

    /// Kills all known children, whose owners notice and finish them, and lets no further one start.
    pub(crate) fn stop(&self) {
        let mut children = self.lock();
        children.stopping = true;
        for (pid, life) in &children.known {
            if *life == Life::Unreaped {
                kill_group(*pid);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill_group(pid: i32) {
    // ESRCH only: the group has ended already, which is what was wanted.
    let _already_ended = killpg(Pid::from_raw(pid), Signal::SIGKILL);
}

fn kill_and_wait(pid: i32) {
    kill_group(pid);
    wait_for(pid);
}

fn wait_for(pid: i32) {
    while waitpid(Pid::from_raw(pid), None) == Err(Errno::EINTR) {}
}
