//! System calls that have no safe wrapper. All `unsafe` of this crate is here.
#![expect(unsafe_code, reason = "raw system calls without a safe wrapper in the crates we use")]

use std::ffi::{CString, c_int, c_long, c_ulong};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Which side of [`fork_with`] the caller is on.
pub(crate) enum Side {
    Child,
    /// `pid` as the caller's pid namespace counts it.
    Parent {
        pid: i32,
        pidfd: OwnedFd,
    },
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Forks with extra `clone` flags (namespaces, `CLONE_PARENT`). Only for a process with one thread: the child goes on with
/// a copy of the memory, in which a lock held by another thread would stay locked for ever.
///
/// The C library keeps the number of each thread in memory and uses it, for locks and for `abort`. Its own `fork` has the
/// kernel write the child's number there; so does this one if it is told where that is.
pub(crate) fn fork_with(flags: c_int, thread_number: Option<ThreadNumber>) -> io::Result<Side> {
    let mut pidfd: c_int = -1;
    let mut flags = c_long::from(flags | libc::CLONE_PIDFD | libc::SIGCHLD);
    let mut number: *mut c_int = std::ptr::null_mut();
    if let Some(ThreadNumber(address)) = thread_number {
        flags |= c_long::from(libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID);
        number = address as *mut c_int;
    }
    let none: *mut c_int = std::ptr::null_mut();
    // The last two arguments, the thread number's address and the thread-local storage, change places.
    let (fourth, fifth) = if cfg!(target_arch = "x86_64") { (number, none) } else { (none, number) };
    // SAFETY: without CLONE_VM and with a null stack this behaves as fork(2); `pidfd` outlives the call, and `number`,
    // which the kernel itself has named, is written in the child's copy of the memory.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone, flags, 0 as c_long, &raw mut pidfd, fourth, fifth) })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just stored a new descriptor that nothing else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent { pid: pid as i32, pidfd })
}

/// Where the C library keeps the number of this process's only thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadNumber(usize);

impl ThreadNumber {
    /// Asks the kernel, which was told when the process started.
    ///
    /// # Errors
    /// `EINVAL` on a kernel built without `CONFIG_CHECKPOINT_RESTORE`.
    pub(crate) fn find() -> io::Result<Self> {
        let mut address: usize = 0;
        // SAFETY: the kernel stores one pointer, for which `address` has room.
        check(c_long::from(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address) }))?;
        if address == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(Self(address)) }
    }
}

/// Takes ownership of descriptors that came with a message.
pub(crate) fn own_received(fds: &[RawFd]) -> Vec<OwnedFd> {
    // SAFETY: the kernel installed these descriptors for this receipt; nothing else owns them.
    fds.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect()
}

/// Marks every descriptor from `first` on to be closed by `exec`.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor from 3 on but `kept`. The owners of the others must not be dropped afterwards.
pub(crate) fn close_all_but(mut kept: Vec<RawFd>) -> io::Result<()> {
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept.into_iter().filter_map(|fd| u32::try_from(fd).ok()).filter(|fd| *fd >= 3) {
        if first < fd {
            close_range(first, fd - 1, 0)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX, 0)
}

fn close_range(first: u32, last: u32, flags: libc::c_uint) -> io::Result<()> {
    let (first, last) = (c_long::from(first), c_long::from(last));
    // SAFETY: no memory is passed; that nobody uses the descriptors any more is what the callers are called for.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, c_long::from(flags)) })?;
    Ok(())
}

/// Puts `socket` at the number where a zygote looks for it, open across `exec`.
pub(crate) fn place_at(socket: OwnedFd, number: RawFd) -> io::Result<()> {
    if socket.as_raw_fd() == number {
        // SAFETY: only clears the flag that would close it.
        check(c_long::from(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }))?;
        std::mem::forget(socket);
    } else {
        // SAFETY: whatever the number stood for is the launcher's, of which this fork needs nothing any more.
        check(c_long::from(unsafe { libc::dup2(socket.as_raw_fd(), number) }))?;
    }
    Ok(())
}

/// The socket a zygote was started with.
///
/// # Errors
/// When there is no open descriptor of that number.
pub(crate) fn own_inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: only reads a flag.
    check(c_long::from(unsafe { libc::fcntl(number, libc::F_GETFD) }))?;
    // SAFETY: it is open, and the process that executed this one put it there for this purpose alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes `env` (`NAME=value`) the whole environment. Only for a process with one thread.
#[expect(clippy::disallowed_methods, reason = "there is no other thread that could read it meanwhile")]
pub(crate) fn replace_environment(env: &[String]) {
    for (name, _) in std::env::vars_os() {
        // SAFETY: nobody else reads or writes the environment at the same time.
        unsafe { std::env::remove_var(name) };
    }
    for (name, value) in env.iter().filter_map(|entry| entry.split_once('=')) {
        // SAFETY: as above.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Sends a signal to exactly the process the descriptor stands for, never to a later one with its number.
pub fn pidfd_signal(pidfd: impl AsFd, signal: c_int) -> io::Result<()> {
    let fd = c_long::from(pidfd.as_fd().as_raw_fd());
    // SAFETY: no memory is passed.
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd, c_long::from(signal), 0 as c_long, 0 as c_long)
    })?;
    Ok(())
}

/// Sets mount attributes (`MOUNT_ATTR_*`) on the mount at `path`, and on those below it if `recursive`.
pub(crate) fn set_mount_attributes(path: &Path, attributes: u64, recursive: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: an all-zero mount_attr is a valid value of this plain C struct.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_set = attributes;
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and attr live across the call and the size is that of attr.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            c_long::from(libc::AT_FDCWD),
            path.as_ptr(),
            c_long::from(flags),
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

fn prctl(option: c_int, value: c_ulong) -> io::Result<()> {
    let none: c_ulong = 0;
    // SAFETY: used only with options that take numbers.
    check(c_long::from(unsafe { libc::prctl(option, value, none, none, none) }))?;
    Ok(())
}

/// Empties the bounding and ambient sets, and takes from uid 0 its power to regain capabilities by `exec`.
pub(crate) fn drop_capability_sources() -> io::Result<()> {
    // The first number the kernel does not know ends the list.
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_ulong)?;
    // SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP and SECBIT_NO_CAP_AMBIENT_RAISE, each with its lock bit.
    prctl(libc::PR_SET_SECUREBITS, 0b1100_1111)
}

/// Gives up every capability this process still has.
pub(crate) fn clear_capabilities() -> io::Result<()> {
    // Version 3 of the interface: a header of {version, pid} and two sets of {effective, permitted, inheritable}.
    let header: [u32; 2] = [0x2008_0522, 0];
    let data: [u32; 6] = [0; 6];
    // SAFETY: both arrays have the layout of the version named and live across the call.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })?;
    Ok(())
}

/// Default handling and no blocking of every signal: Rust programs start with SIGPIPE ignored, and `exec` keeps that.
pub(crate) fn reset_signals() -> io::Result<()> {
    for signal in 1..=64 {
        // Refused for KILL, STOP and the C library's own, which have their default anyway.
        // SAFETY: SIG_DFL is a valid disposition.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an all-zero sigset_t is made valid by sigemptyset before it is used.
    let result = unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    check(c_long::from(result))?;
    Ok(())
}
