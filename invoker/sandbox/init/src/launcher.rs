//! The launcher's loop: one request, one reply, until the server is gone.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_name, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Uid, dup2_stderr, dup2_stdin, setresgid, setresuid, setsid};

use crate::child::{self, NEW_SANDBOX, Sandboxed};
use crate::message::{Failure, Program, Reply, Request, RootLayout, SocketKind, StandbySpec, ZygoteSpec};
use crate::sys::{self, Side, ThreadNumber};
use crate::{Builtin, Step, ZYGOTE_CONTROL, channel, chroot, leave, mounts, seccomp};

struct Launcher<'a> {
    socket: OwnedFd,
    /// The `/proc` of the launcher's pid namespace, which its root does not show.
    proc: File,
    filters: seccomp::Filters,
    builtins: &'a [Builtin],
    /// `None` on a kernel that does not tell: a fork can then execute programs, but not be one.
    thread_number: Option<ThreadNumber>,
}

/// What came of a request.
enum Answer {
    Reply(Reply, Vec<OwnedFd>),
    /// This is the fork: a sandbox that is to run a builtin.
    Become(Sandboxed),
}

impl Answer {
    fn done(fds: Vec<OwnedFd>) -> Self {
        Self::Reply(Reply::Done, fds)
    }
}

/// Serves requests from standard input; the exit status of the process.
pub(crate) fn run(builtins: &[Builtin]) -> ExitCode {
    match Launcher::take_over(builtins) {
        Ok(launcher) => launcher.serve(),
        Err(_) => ExitCode::FAILURE,
    }
}

impl<'a> Launcher<'a> {
    fn take_over(builtins: &'a [Builtin]) -> io::Result<Self> {
        set_pdeathsig(Signal::SIGKILL)?;
        // Away from the server's terminal: its Ctrl-C is the server's to handle, and nobody can push input into it.
        setsid()?;
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(File::open("/dev/null")?)?;
        std::env::set_current_dir("/")?;
        set_name(c"ow-launcher")?;
        Ok(Self {
            socket,
            proc: File::open("/proc")?,
            filters: seccomp::compile().map_err(io::Error::other)?,
            builtins,
            thread_number: ThreadNumber::find().ok(),
        })
    }

    fn serve(self) -> ExitCode {
        loop {
            let (request, fds) = match channel::receive::<Request>(&self.socket) {
                Ok(Some(message)) => message,
                Ok(None) => return ExitCode::SUCCESS,
                Err(_) => return ExitCode::FAILURE,
            };
            let (reply, fds) = match self.answer(request, fds) {
                Ok(Answer::Reply(reply, fds)) => (reply, fds),
                Ok(Answer::Become(sandboxed)) => return self.become_builtin(sandboxed),
                Err(failure) => (Reply::Failed(failure), Vec::new()),
            };
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            if channel::send(&self.socket, &reply, &borrowed).is_err() {
                return ExitCode::FAILURE;
            }
        }
    }

    /// The fork's way out of the launcher.
    fn become_builtin(self, sandboxed: Sandboxed) -> ExitCode {
        let Sandboxed { spec } = sandboxed;
        let builtins = self.builtins;
        // Its descriptors are closed, and their numbers may be others' soon.
        std::mem::forget(self);
        sys::replace_environment(&spec.env);
        let Program::Builtin(name) = &spec.program else { return ExitCode::FAILURE };
        // For `ps`, which is shown 15 bytes. Without it the process bears the launcher's.
        let _ = CString::new(name.as_str()).map(|name| set_name(&name));
        let builtin = builtins.iter().find(|builtin| builtin.name == name);
        builtin.map_or(ExitCode::FAILURE, |builtin| (builtin.main)())
    }

    fn answer(&self, request: Request, fds: Vec<OwnedFd>) -> Result<Answer, Failure> {
        match request {
            Request::EnterUserNamespace => {
                unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
                    .step("enter a user namespace")?;
                Ok(Answer::done(Vec::new()))
            }
            Request::BecomeNamespaceRoot => become_namespace_root().map(|()| Answer::done(Vec::new())),
            Request::EnterRoot(layout) => enter_root(&layout).map(|()| Answer::done(Vec::new())),
            Request::MakeSlot { uid } => self.make_slot(uid).map(Answer::done),
            Request::Listen { address, kind } => {
                let socket: OwnedFd = match kind {
                    SocketKind::Tcp => {
                        TcpListener::bind(address).step(&format!("listen on {address}"))?.into()
                    }
                    SocketKind::Udp => UdpSocket::bind(address).step(&format!("bind {address}"))?.into(),
                };
                Ok(Answer::done(vec![socket]))
            }
            Request::StartZygote(spec) => start_zygote(&spec, fds),
            Request::Standby(spec) => self.stand_by(&spec, fds),
        }
    }

    fn stand_by(&self, spec: &StandbySpec, fds: Vec<OwnedFd>) -> Result<Answer, Failure> {
        match sys::fork_with(NEW_SANDBOX, self.thread_number).step("fork the sandbox")? {
            Side::Child => Ok(Answer::Become(child::become_sandbox(spec, fds, &self.filters))),
            Side::Parent { pid, pidfd } => Ok(Answer::Reply(Reply::Forked { pid }, vec![pidfd])),
        }
    }

    /// A user and a network namespace outlive the child that made them by the descriptors opened here. The network
    /// namespace is made first, so that it belongs to the launcher's user namespace: code in the sandbox's cannot
    /// change it, whatever capability it might win.
    fn make_slot(&self, uid: u32) -> Result<Vec<OwnedFd>, Failure> {
        let (ours, theirs) = channel::pair().step("make a socket pair")?;
        match sys::fork_with(0, None).step("fork")? {
            Side::Child => {
                drop(ours);
                leave(self.hold_slot(theirs));
            }
            Side::Parent { pid, pidfd } => {
                drop(theirs);
                let result = self.open_slot(&ours, pid, uid);
                drop(ours);
                let _ = sys::pidfd_signal(&pidfd, libc::SIGKILL);
                waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED).step("wait for the slot's process")?;
                result
            }
        }
    }

    /// The child's part: make the namespaces, say so, and wait to be ended.
    fn hold_slot(&self, socket: OwnedFd) -> i32 {
        let made: Result<(), Failure> = (|| {
            set_pdeathsig(Signal::SIGKILL).step("tie to the launcher")?;
            unshare(CloneFlags::CLONE_NEWNET).step("make a network namespace")?;
            self.switch_off_ipv6()?;
            unshare(CloneFlags::CLONE_NEWUSER).step("make a user namespace")
        })();
        if channel::send(&socket, &made.err(), &[]).is_err() {
            return 1;
        }
        let _ = channel::receive::<()>(&socket);
        0
    }

    /// Rules exist for IPv4 only, so no sandbox gets an IPv6 address, not even its own of the link.
    fn switch_off_ipv6(&self) -> Result<(), Failure> {
        for scope in ["all", "default"] {
            match self.write_proc(&format!("sys/net/ipv6/conf/{scope}/disable_ipv6"), "1") {
                // A kernel without IPv6 has nothing to switch off.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.step("switch IPv6 off")?,
            }
        }
        Ok(())
    }

    fn open_slot(&self, socket: &OwnedFd, pid: i32, uid: u32) -> Result<Vec<OwnedFd>, Failure> {
        let made: Option<(Option<Failure>, _)> =
            channel::receive(socket).step("hear from the slot's process")?;
        match made {
            Some((None, _)) => {}
            Some((Some(failure), _)) => return Err(failure),
            None => return Err(Failure { step: "make a slot".into(), error: "its process ended".into() }),
        }
        self.write_proc(&format!("{pid}/uid_map"), &format!("0 {uid} 1")).step("map the uid")?;
        self.write_proc(&format!("{pid}/gid_map"), &format!("0 {uid} 1")).step("map the gid")?;
        let open = |name: &str| self.open_proc(&format!("{pid}/ns/{name}"), nix::fcntl::OFlag::O_RDONLY);
        Ok(vec![
            open("user").step("open the user namespace")?,
            open("net").step("open the network namespace")?,
        ])
    }

    fn open_proc(&self, path: &str, flags: nix::fcntl::OFlag) -> io::Result<OwnedFd> {
        let flags = flags | nix::fcntl::OFlag::O_CLOEXEC;
        Ok(nix::fcntl::openat(&self.proc, path, flags, nix::sys::stat::Mode::empty())?)
    }

    fn write_proc(&self, path: &str, text: &str) -> io::Result<()> {
        let file = self.open_proc(path, nix::fcntl::OFlag::O_WRONLY)?;
        nix::unistd::write(file, text.as_bytes())?;
        Ok(())
    }
}

/// A zygote is the server's child, as the sandboxes are, and has the launcher's rights: the sandboxes it forks give them
/// up themselves. Until then it runs what the server has installed, and nobody's action.
fn start_zygote(spec: &ZygoteSpec, fds: Vec<OwnedFd>) -> Result<Answer, Failure> {
    match sys::fork_with(libc::CLONE_PARENT, None).step("fork the zygote")? {
        Side::Child => {
            let _ = execute_zygote(spec, fds);
            leave(127)
        }
        Side::Parent { pid, pidfd } => Ok(Answer::Reply(Reply::Forked { pid }, vec![pidfd])),
    }
}

fn execute_zygote(spec: &ZygoteSpec, fds: Vec<OwnedFd>) -> Result<std::convert::Infallible, Failure> {
    set_pdeathsig(Signal::SIGKILL).step("tie to the server")?;
    let [control, errors]: [OwnedFd; 2] =
        fds.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput)).step("take the socket")?;
    dup2_stderr(&errors).step("connect standard error")?;
    sys::close_on_exec_from(3).step("close descriptors")?;
    sys::place_at(control, ZYGOTE_CONTROL).step("place the socket")?;
    child::execute(&spec.argv, &spec.env)
}

fn become_namespace_root() -> Result<(), Failure> {
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).step("become root's group")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).step("become root")?;
    // The change of ids has undone it.
    set_pdeathsig(Signal::SIGKILL).step("tie to the server")?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").step("forward packets")
}

fn enter_root(layout: &RootLayout) -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNS).step("make a mount namespace")?;
    if mounts::keep_to_ourselves().is_ok() {
        return live_in(layout);
    }
    let outside = chroot::leave(layout)?;
    mounts::keep_to_ourselves().step("make mounts private")?;
    live_in(&outside)
}

fn live_in(layout: &RootLayout) -> Result<(), Failure> {
    mounts::build_root(layout)?;
    mounts::pivot(Path::new(&layout.directory))
}
