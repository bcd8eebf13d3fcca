//! The process that becomes `redis-server`: this program again, which ties itself to the server, gives up what it may, and then
//! is replaced.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

/// The name it is started under.
pub(super) const NAME: &str = "oxwhisk-private-redis";

/// Becomes a `redis-server` if this process was started as one; does not return then, unless that fails.
pub fn run_if_requested() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != NAME {
        return None;
    }
    let failed = become_redis(arguments.collect());
    // Where the server's own log goes.
    say(&format!("{NAME}: {failed}\n"));
    Some(ExitCode::FAILURE)
}

/// Arguments: a user's number, or `-` to stay who it is; the program; its arguments.
fn become_redis(arguments: Vec<OsString>) -> io::Error {
    let [user, program, rest @ ..] = &*arguments else { return io::ErrorKind::InvalidInput.into() };
    if let Err(error) = give_up(&user.to_string_lossy()) {
        return error;
    }
    Command::new(program).args(rest).exec()
}

fn give_up(user: &str) -> io::Result<()> {
    if user != "-" {
        let id = user.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        setgroups(&[])?;
        setgid(Gid::from_raw(id))?;
        setuid(Uid::from_raw(id))?;
    }
    set_no_new_privs()?;
    // After the change of user, which would undo it.
    set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}

/// There is no log in this process.
fn say(line: &str) {
    use io::Write as _;
    // Nobody is left to be told that it cannot be written.
    let _ = io::stderr().write_all(line.as_bytes());
}
