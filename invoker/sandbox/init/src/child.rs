//! From a fork to a runtime: every step of isolation, in the one order that works.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::{get_name, set_dumpable, set_name, set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, fchown, setgroups, sethostname, setresgid,
    setresuid, setsid,
};

use crate::message::{ChildReport, Failure, Program, ProgramSpec, StandbySpec, Start};
use crate::{HOST_NAME, Step, channel, leave, mounts, seccomp, sys};

/// With these flags a fork is process 1 of a new pid namespace and, as `CLONE_PARENT` asks, the server's child: the server
/// reaps it, and it dies with the server.
pub(crate) const NEW_SANDBOX: i32 =
    libc::CLONE_PARENT | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// What `ps` calls a sandbox that waits.
const STANDBY_NAME: &CStr = c"ow-standby";

/// A process in a sandbox, with every privilege gone, that runs what was loaded before the fork.
pub(crate) struct Sandboxed {
    pub(crate) spec: ProgramSpec,
}

/// What came with the request for a standby, in its order.
struct Place {
    server: OwnedFd,
    user_namespace: OwnedFd,
    network_namespace: OwnedFd,
    cgroups: Vec<OwnedFd>,
}

impl Place {
    fn sort(fds: Vec<OwnedFd>) -> Option<Self> {
        let mut fds = fds.into_iter();
        Some(Self {
            server: fds.next()?,
            user_namespace: fds.next()?,
            network_namespace: fds.next()?,
            cgroups: fds.collect(),
        })
    }

    fn descriptors(&self) -> Vec<RawFd> {
        let named = [&self.server, &self.user_namespace, &self.network_namespace];
        named.into_iter().chain(&self.cgroups).map(AsRawFd::as_raw_fd).collect()
    }
}

/// Turns this fork into a sandbox. From here on the descriptors of the parent are closed, so the caller must neither use
/// nor drop them. Waits for what to run, and executes it, or returns if that is in this process
/// already. A failure goes to the server, and this process ends.
pub(crate) fn become_sandbox(
    standby: &StandbySpec,
    fds: Vec<OwnedFd>,
    filters: &seccomp::Filters,
) -> Sandboxed {
    let Some(mut place) = Place::sort(fds) else { leave(127) };
    let sandboxed = stand_by(standby, &mut place).and_then(|start| match start {
        // The server does not need it any more.
        None => leave(0),
        Some((spec, output)) => enter(standby, spec, output, &place, filters),
    });
    match sandboxed {
        Ok(sandboxed) => {
            // Closed by number, with everything else: their owners must not close these numbers again.
            std::mem::forget(place);
            sandboxed
        }
        Err(failure) => {
            // If the server does not listen any more, the exit status is all there is to tell.
            let _ = channel::send(&place.server, &ChildReport::Failed(failure), &[]);
            leave(127)
        }
    }
}

/// Standard output and error.
type Output = (OwnedFd, OwnedFd);

/// What takes long and does not depend on the program; then waits for it. `None` when the server has closed the socket.
fn stand_by(standby: &StandbySpec, place: &mut Place) -> Result<Option<(ProgramSpec, Output)>, Failure> {
    set_pdeathsig(Signal::SIGKILL).step("tie to the server")?;
    setsid().step("start a session")?;
    // Above all the parent's own socket: while a fork holds it, the server cannot see that the parent is gone.
    sys::close_all_but(place.descriptors()).step("close descriptors")?;
    let own_name = get_name().step("read the name")?;
    set_name(STANDBY_NAME).step("change the name")?;
    // On a machine that was quiet this alone takes 10 ms: the kernel waits until no processor can be forking.
    join_cgroups(&place.cgroups)?;
    place.cgroups.clear();
    setns(&place.network_namespace, CloneFlags::CLONE_NEWNET).step("enter the network namespace")?;
    sethostname(HOST_NAME).step("set the host name")?;
    mounts::mount_proc()?;
    let socket_directory = mounts::mount_socket_directory(standby)?;
    // Under pressure of the whole machine the kernel should end actions before the server.
    fs::write("/proc/self/oom_score_adj", "500").step("set the out-of-memory score")?;
    channel::send(&place.server, &ChildReport::Ready, &[socket_directory.as_fd()]).step("report")?;
    drop(socket_directory);
    let Some((Start(spec), fds)) = channel::receive(&place.server).step("wait for the program")? else {
        return Ok(None);
    };
    let output: [OwnedFd; 2] =
        fds.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput)).step("take the output")?;
    set_name(&own_name).step("change the name")?;
    Ok(Some((spec, output.into())))
}

/// Everything between waiting and running; does not return where there is a file to execute.
fn enter(
    standby: &StandbySpec,
    spec: ProgramSpec,
    output: Output,
    place: &Place,
    filters: &seccomp::Filters,
) -> Result<Sandboxed, Failure> {
    mounts::mount_writable(standby.uid, &spec)?;
    set_limits(&spec)?;
    own_outputs(standby.uid, &output)?;
    become_sandbox_root(&place.user_namespace)?;
    die_with_server(&place.server)?;
    chdir(spec.working_dir.as_path()).step("enter the working directory")?;
    connect_streams(output)?;
    if standby.open_socket {
        umask(Mode::empty());
    }
    set_no_new_privs().step("renounce new privileges")?;
    match &spec.program {
        Program::Execute(argv) => {
            sys::close_on_exec_from(3).step("close descriptors")?;
            confine(filters)?;
            let Err(failure) = execute(argv, &spec.env);
            Err(failure)
        }
        Program::Builtin(_) | Program::Loaded => {
            // The change of user made this process's files in /proc root's, as executing something would undo.
            set_dumpable(true).step("own the process's files")?;
            confine(filters)?;
            // Last, for it closes the report socket, which tells the server that all went well.
            sys::close_all_but(Vec::new()).step("close descriptors")?;
            Ok(Sandboxed { spec })
        }
    }
}

/// By writing 0, which stands for the writer, there is no moment in which the process runs outside.
fn join_cgroups(procs: &[OwnedFd]) -> Result<(), Failure> {
    for file in procs {
        nix::unistd::write(file, b"0").step("join the cgroup")?;
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).step("make a cgroup namespace")
}

fn set_limits(spec: &ProgramSpec) -> Result<(), Failure> {
    // 1 and not 0: a host that pipes core dumps into a program heeds only 1, and no dump fits into one byte.
    setrlimit(Resource::RLIMIT_CORE, 1, 1).step("limit core dumps")?;
    setrlimit(Resource::RLIMIT_NOFILE, spec.max_open_files, spec.max_open_files).step("limit open files")?;
    setrlimit(Resource::RLIMIT_NPROC, spec.max_processes, spec.max_processes).step("limit processes")?;
    if let Some(bytes) = spec.max_data {
        setrlimit(Resource::RLIMIT_DATA, bytes, bytes).step("limit data")?;
    }
    Ok(())
}

/// Programs that open `/dev/stdout` by name need the pipe to be their user's.
fn own_outputs(uid: u32, output: &Output) -> Result<(), Failure> {
    for pipe in [&output.0, &output.1] {
        fchown(pipe, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid))).step("hand over the output")?;
    }
    Ok(())
}

/// Leaves the launcher's user for the sandbox's: root there, nobody on the host, and no capability in either.
fn become_sandbox_root(user_namespace: &OwnedFd) -> Result<(), Failure> {
    setgroups(&[]).step("leave supplementary groups")?;
    setns(user_namespace, CloneFlags::CLONE_NEWUSER).step("enter the user namespace")?;
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(gid, gid, gid).step("change the group")?;
    setresuid(uid, uid, uid).step("change the user")?;
    sys::drop_capability_sources().step("drop the bounding set")?;
    sys::clear_capabilities().step("drop capabilities")
}

/// The change of user has undone the tie to the server; if the server went in between, nobody else would end us.
fn die_with_server(server: &OwnedFd) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL).step("tie to the server")?;
    let mut fds = [PollFd::new(server.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).step("look for the server")?;
    if fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
        return Err(Failure { step: "look for the server".into(), error: "it is gone".into() });
    }
    Ok(())
}

fn connect_streams(output: Output) -> Result<(), Failure> {
    // The launcher's own was opened by another path, which need not be known in here.
    let nothing = fs::File::open("/dev/null").step("open standard input")?;
    dup2_stdin(&nothing).step("connect standard input")?;
    dup2_stdout(&output.0).step("connect standard output")?;
    dup2_stderr(&output.1).step("connect standard error")
}

fn confine(filters: &seccomp::Filters) -> Result<(), Failure> {
    filters.install().map_err(|error| Failure { step: "filter system calls".into(), error })
}

/// Replaces this process by a program.
pub(crate) fn execute(argv: &[String], env: &[String]) -> Result<std::convert::Infallible, Failure> {
    let argv = c_strings(argv).step("read the arguments")?;
    let env = c_strings(env).step("read the environment")?;
    let program = argv.first().ok_or(io::ErrorKind::InvalidInput).step("read the arguments")?;
    sys::reset_signals().step("reset signals")?;
    execve(program, &argv, &env).step(&format!("execute {}", program.to_string_lossy()))
}

fn c_strings(strings: &[String]) -> io::Result<Vec<CString>> {
    strings.iter().map(|text| Ok(CString::new(OsStr::new(text).as_bytes())?)).collect()
}
