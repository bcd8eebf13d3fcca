//! System calls that have no safe wrapper. All `unsafe` of this crate is here.
#![expect(unsafe_code, reason = "raw system calls without a safe wrapper in the crates we use")]

use std::ffi::{CString, c_int, c_long, c_ulong};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Which side of [`fork_with`] the caller is on.
pub(crate) enum Forked {
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

/// Forks with extra `clone` flags (namespaces, `CLONE_PARENT`). Only for the single-threaded launcher: the child goes
/// on with a copy of the memory, in which a lock held by another thread would stay locked for ever.
pub(crate) fn fork_with(flags: c_int) -> io::Result<Forked> {
    let mut pidfd: c_int = -1;
    let flags = c_long::from(flags | libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack this behaves as fork(2); `pidfd` outlives the call. The fourth
    // and fifth argument change places between architectures and are null.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, flags, 0 as c_long, &raw mut pidfd, 0 as c_long, 0 as c_long)
    })?;
    if pid == 0 {
        return Ok(Forked::Child);
    }
    // SAFETY: the kernel has just stored a new descriptor that nothing else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Forked::Parent { pid: pid as i32, pidfd })
}

/// Takes ownership of descriptors that came with a message.
pub(crate) fn own_received(fds: &[RawFd]) -> Vec<OwnedFd> {
    // SAFETY: the kernel installed these descriptors for this receipt; nothing else owns them.
    fds.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect()
}

/// Marks every descriptor from `first` on to be closed by `exec`.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    let all = c_long::from(u32::MAX);
    // SAFETY: only sets a flag on descriptors.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            c_long::from(first),
            all,
            c_long::from(libc::CLOSE_RANGE_CLOEXEC),
        )
    })?;
    Ok(())
}

/// Sends a signal to exactly the process the descriptor stands for, never to a later one with its number.
pub(crate) fn pidfd_signal(pidfd: impl AsFd, signal: c_int) -> io::Result<()> {
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

/// Registers a descriptor with the runtime, to wait until it can be read. Needs a tokio runtime with I/O.
pub(crate) fn wait_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is one open descriptor for as long as it lives, always the same, and the AsyncFd owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}
