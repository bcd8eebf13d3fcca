//! From a fork of the launcher to the runtime: every step of isolation, in the one order that works.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, fchown, setgroups, sethostname, setresgid,
    setresuid, setsid,
};

use super::{Step, mounts, seccomp};
use crate::channel;
use crate::message::{ChildReport, Failure, SpawnSpec};
use crate::rootfs::HOST_NAME;
use crate::sys;

/// What came with the request, in its order.
struct Descriptors {
    stdout: OwnedFd,
    stderr: OwnedFd,
    report: OwnedFd,
    user_namespace: OwnedFd,
    network_namespace: OwnedFd,
    cgroups: Vec<OwnedFd>,
}

impl Descriptors {
    fn sort(fds: Vec<OwnedFd>) -> Option<Self> {
        let mut fds = fds.into_iter();
        Some(Self {
            stdout: fds.next()?,
            stderr: fds.next()?,
            report: fds.next()?,
            user_namespace: fds.next()?,
            network_namespace: fds.next()?,
            cgroups: fds.collect(),
        })
    }
}

/// Turns this process into the runtime. A failure goes to the server over the report socket.
pub(super) fn become_sandbox(spec: &SpawnSpec, fds: Vec<OwnedFd>, filters: &seccomp::Filters) -> ! {
    if let Some(fds) = Descriptors::sort(fds) {
        let Err(failure) = isolate_and_exec(spec, &fds, filters);
        // If the server does not listen any more, the exit status is all there is to tell.
        let _ = channel::send(&fds.report, &ChildReport::Failed(failure), &[]);
    }
    super::leave(127)
}

fn isolate_and_exec(
    spec: &SpawnSpec,
    fds: &Descriptors,
    filters: &seccomp::Filters,
) -> Result<std::convert::Infallible, Failure> {
    set_pdeathsig(Signal::SIGKILL).step("tie to the server")?;
    setsid().step("start a session")?;
    join_cgroups(&fds.cgroups)?;
    setns(&fds.network_namespace, CloneFlags::CLONE_NEWNET).step("enter the network namespace")?;
    sethostname(HOST_NAME).step("set the host name")?;
    mounts::mount_private(spec)?;
    let socket_directory = mounts::open_socket_directory()?;
    channel::send(&fds.report, &ChildReport::SocketDirectory, &[socket_directory.as_fd()])
        .step("report the socket directory")?;
    drop(socket_directory);
    // Under pressure of the whole machine the kernel should end actions before the server.
    fs::write("/proc/self/oom_score_adj", "500").step("set the out-of-memory score")?;
    set_limits(spec)?;
    own_outputs(spec.uid, fds)?;
    become_sandbox_root(&fds.user_namespace)?;
    die_with_server(&fds.report)?;
    exec(spec, fds, filters)
}

/// By writing 0, which stands for the writer, there is no moment in which the process runs outside.
fn join_cgroups(procs: &[OwnedFd]) -> Result<(), Failure> {
    for file in procs {
        nix::unistd::write(file, b"0").step("join the cgroup")?;
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).step("make a cgroup namespace")
}

fn set_limits(spec: &SpawnSpec) -> Result<(), Failure> {
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
fn own_outputs(uid: u32, fds: &Descriptors) -> Result<(), Failure> {
    for pipe in [&fds.stdout, &fds.stderr] {
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
fn die_with_server(report: &OwnedFd) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL).step("tie to the server")?;
    let mut fds = [PollFd::new(report.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).step("look for the server")?;
    if fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
        return Err(Failure { step: "look for the server".into(), error: "it is gone".into() });
    }
    Ok(())
}

fn exec(
    spec: &SpawnSpec,
    fds: &Descriptors,
    filters: &seccomp::Filters,
) -> Result<std::convert::Infallible, Failure> {
    chdir(spec.working_dir.as_path()).step("enter the working directory")?;
    let argv = c_strings(&spec.argv).step("read the arguments")?;
    let env = c_strings(&spec.env).step("read the environment")?;
    let program = argv.first().ok_or(io::ErrorKind::InvalidInput).step("read the arguments")?;
    sys::reset_signals().step("reset signals")?;
    // The launcher's own was opened by another path, which need not be known in here.
    let nothing = fs::File::open("/dev/null").step("open standard input")?;
    dup2_stdin(&nothing).step("connect standard input")?;
    dup2_stdout(&fds.stdout).step("connect standard output")?;
    dup2_stderr(&fds.stderr).step("connect standard error")?;
    sys::close_on_exec_from(3).step("close descriptors")?;
    if spec.open_socket {
        umask(Mode::empty());
    }
    set_no_new_privs().step("renounce new privileges")?;
    filters.install().map_err(|error| Failure { step: "filter system calls".into(), error })?;
    execve(program, &argv, &env).step(&format!("execute {}", program.to_string_lossy()))
}

fn c_strings(strings: &[String]) -> io::Result<Vec<CString>> {
    strings.iter().map(|text| Ok(CString::new(OsStr::new(text).as_bytes())?)).collect()
}
