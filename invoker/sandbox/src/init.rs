//! The other side of the server's own program: started again under another name, it is the launcher that makes the
//! sandboxes. It has one thread, an empty environment and nothing of the server's memory, so that a fork of it holds
//! nothing worth stealing.

mod child;
mod chroot;
mod launcher;
mod mounts;
pub(crate) mod seccomp;

use std::io;

use crate::message::Failure;

/// `argv[0]` of a launcher.
pub(crate) const LAUNCHER_NAME: &str = "oxwhisk-sandbox-launcher";

/// Runs the launcher and never returns if this process was started as one; does nothing otherwise. Every program
/// that starts a [`crate::SandboxFactory`] must call it first thing in `main`, before any thread exists.
pub fn run_if_requested() {
    if std::env::args_os().next().is_some_and(|name| name == LAUNCHER_NAME) {
        let status = launcher::run();
        leave(status);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a launcher, and every fork of it, ends here and must not return into the server's main"
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
