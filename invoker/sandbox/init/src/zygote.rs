//! A zygote's part: an interpreter that has loaded a runtime and forks it for each sandbox.
//!
//! It has the launcher's rights and runs only what the server has installed. What its forks share is its memory as it
//! was at the fork: its address layout, and whatever random numbers it has drawn before.

use std::os::fd::{AsFd, OwnedFd};

use crate::child::{self, NEW_SANDBOX, Sandboxed};
use crate::message::{ChildReport, Failure, Reply, Request, StandbySpec};
use crate::sys::{self, Side, ThreadNumber};
use crate::{Step, ZYGOTE_CONTROL, channel, seccomp};

/// What an interpreter must do around a fork that it did not make itself.
pub trait Interpreter {
    fn before_fork(&self);
    fn after_fork_in_parent(&self);
    fn after_fork_in_child(&self);
}

/// A fork of the zygote, in its sandbox: what remains is to run the runtime.
#[derive(Debug)]
pub struct Forked {
    /// The environment of the sandbox, as `NAME=value`.
    pub env: Vec<String>,
}

/// The zygote's hold on what it needs to make sandboxes.
#[derive(Debug)]
pub struct Zygote {
    server: OwnedFd,
    filters: seccomp::Filters,
    thread_number: ThreadNumber,
}

impl Zygote {
    /// Takes the socket the process was started with. Only for a process with one thread, once.
    ///
    /// # Errors
    /// If this machine cannot have zygotes; the server has been told.
    pub fn start() -> Result<Self, Failure> {
        let server = sys::own_inherited(ZYGOTE_CONTROL).step("take the socket")?;
        match Self::prepare() {
            Ok((filters, thread_number)) => Ok(Self { server, filters, thread_number }),
            Err(failure) => {
                channel::send(&server, &ChildReport::Failed(failure.clone()), &[]).step("report")?;
                Err(failure)
            }
        }
    }

    fn prepare() -> Result<(seccomp::Filters, ThreadNumber), Failure> {
        let filters =
            seccomp::compile().map_err(|error| Failure { step: "compile the filter".into(), error })?;
        let thread_number = ThreadNumber::find().step("find the thread's number")?;
        Ok((filters, thread_number))
    }

    /// Forks a sandbox for each request. Returns in each of them when it is to run its program, and in the zygote itself,
    /// with `None`, when the server is gone.
    ///
    /// # Errors
    /// If the server cannot be understood or answered.
    pub fn serve(self, interpreter: &impl Interpreter) -> Result<Option<Forked>, Failure> {
        channel::send(&self.server, &ChildReport::Ready, &[]).step("report")?;
        loop {
            let Some((request, fds)) = channel::receive::<Request>(&self.server).step("receive")? else {
                return Ok(None);
            };
            let Request::Standby(spec) = request else {
                return Err(Failure {
                    step: "receive".into(),
                    error: "a zygote makes sandboxes only".into(),
                });
            };
            if let Some(forked) = self.fork(&spec, fds, interpreter)? {
                // Its descriptors are closed, and their numbers may be others' soon.
                std::mem::forget(self);
                return Ok(Some(forked));
            }
        }
    }

    /// `None` in the zygote.
    fn fork(
        &self,
        spec: &StandbySpec,
        fds: Vec<OwnedFd>,
        interpreter: &impl Interpreter,
    ) -> Result<Option<Forked>, Failure> {
        interpreter.before_fork();
        let side = sys::fork_with(NEW_SANDBOX, Some(self.thread_number));
        if let Ok(Side::Child) = side {
            interpreter.after_fork_in_child();
            let Sandboxed { spec } = child::become_sandbox(spec, fds, &self.filters);
            return Ok(Some(Forked { env: spec.env }));
        }
        interpreter.after_fork_in_parent();
        match side.step("fork the sandbox") {
            Ok(Side::Parent { pid, pidfd }) => {
                channel::send(&self.server, &Reply::Forked { pid }, &[pidfd.as_fd()]).step("answer")?;
            }
            Ok(Side::Child) => {}
            Err(failure) => channel::send(&self.server, &Reply::Failed(failure), &[]).step("answer")?,
        }
        Ok(None)
    }
}
