//! The inside of a process sandbox: how a process comes to be one.
//!
//! This is the code that runs between the server and an action's code, so it is small, has one thread and brings no
//! async runtime along. It runs in
//!
//! - the *launcher*: the server's own program, started again under another name ([`run_if_requested`]), with an empty
//!   environment and nothing of the server's memory, so that a fork of it holds nothing worth stealing;
//! - a *zygote* ([`Zygote`]): an interpreter that has loaded a runtime and forks it for each sandbox;
//! - each fork of these, on its way to be a sandbox.
//!
//! A sandbox is made in two parts. What takes long and is the same for all is done ahead of need ([`StandbySpec`]); the
//! process then waits for what to run and within which limits ([`ProgramSpec`]).

pub mod channel;
mod child;
mod chroot;
mod launcher;
mod message;
mod mounts;
pub mod seccomp;
pub mod sys;
mod zygote;

use std::io;
use std::process::ExitCode;

pub use message::{
    Bind, ChildReport, Failure, Program, ProgramSpec, Reply, Request, RootLayout, SocketKind, StandbySpec,
    Start, ZygoteSpec,
};
pub use zygote::{Forked, Interpreter, Zygote};

/// `argv[0]` of a launcher.
pub const LAUNCHER_NAME: &str = "oxwhisk-sandbox-launcher";
/// A sandbox's host name: the same in every one, so that its `/etc/hosts` can name it once for all.
pub const HOST_NAME: &str = "action";
/// Where a runtime makes its socket, and what it calls it.
pub const SOCKET_DIRECTORY: &str = "/run/ow";
pub const SOCKET_NAME: &str = "socket";
/// Descriptor on which a zygote speaks with the server.
pub const ZYGOTE_CONTROL: i32 = 3;

/// A runtime that is part of this program: a fork of the launcher runs it without executing anything.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    pub name: &'static str,
    /// Runs in a sandbox, with the sandbox's environment; its result is the exit status of the container.
    pub main: fn() -> ExitCode,
}

/// Runs the launcher if this process was started as one; `None`, at once, if it was not. Every program that starts
/// sandboxes must call it first thing in `main`, before any thread exists, and return what it returns.
pub fn run_if_requested(builtins: &[Builtin]) -> Option<ExitCode> {
    let asked = std::env::args_os().next().is_some_and(|name| name == LAUNCHER_NAME);
    asked.then(|| launcher::run(builtins))
}

/// Whether a fork can run a program without executing it: for [`Builtin`]s and zygotes.
pub fn can_fork_programs() -> bool {
    sys::ThreadNumber::find().is_ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a fork that failed on its way must not return into the program it is a fork of"
)]
fn leave(status: i32) -> ! {
    std::process::exit(status)
}

/// Names the step an error belongs to.
trait Step<T> {
    fn step(self, step: &str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure { step: step.to_owned(), error: error.into().to_string() })
    }
}
