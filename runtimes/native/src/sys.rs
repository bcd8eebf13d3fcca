//! The system calls that neither std nor nix wraps: `posix_spawn` with a working directory, pidfds, pipe fill levels.
#![expect(unsafe_code, reason = "raw system calls; each call says why it is sound")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_short},
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

/// A program to start, with what it gets as its first descriptors.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) argv: &'a [CString],
    pub(crate) env: &'a [CString],
    pub(crate) dir: &'a CStr,
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) stdout: BorrowedFd<'a>,
    /// Becomes descriptor 3; a skeleton process has none.
    pub(crate) answers: Option<BorrowedFd<'a>>,
}

/// Starts a program in a process group of its own, with default signal dispositions and an empty signal mask, and
/// returns its pid.
///
/// `posix_spawn` rather than fork and exec: the child borrows the parent's memory until it execs, so that a start
/// costs the same however large the proxy has grown.
///
/// # Errors
/// The error of the first step that failed in the child, `execve` included.
pub(crate) fn spawn(program: &Program<'_>) -> io::Result<i32> {
    let mut actions = FileActions::new()?;
    actions.dup2(program.stdin, 0)?;
    actions.dup2(program.stdout, 1)?;
    if let Some(answers) = program.answers {
        // Last: a source of the duplications above may itself be descriptor 3.
        actions.dup2(answers, 3)?;
    }
    actions.chdir(program.dir)?;
    let attributes = Attributes::new()?;
    let (argv, env) = (pointers(program.argv), pointers(program.env));
    let mut pid = 0;
    // SAFETY: path, argv and env are NUL-terminated strings in null-terminated arrays which outlive the call; actions
    // and attributes are initialised.
    check(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.path.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr(),
            env.as_ptr(),
        )
    })?;
    Ok(pid)
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings.iter().map(|string| string.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

/// The `posix_spawn` family returns the error number instead of setting errno.
fn check(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = mem::MaybeUninit::uninit();
        // SAFETY: the pointer is valid for writes; the value is read only after init succeeded.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: initialised by the successful call above.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn dup2(&mut self, from: BorrowedFd<'_>, to: c_int) -> io::Result<()> {
        // SAFETY: the actions are initialised; the descriptors are plain numbers to this call.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, from.as_raw_fd(), to) })
    }

    fn chdir(&mut self, dir: &CStr) -> io::Result<()> {
        // SAFETY: the actions are initialised; the C library copies the path.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut self.0, dir.as_ptr()) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = mem::MaybeUninit::uninit();
        // SAFETY: the pointer is valid for writes; the value is read only after init succeeded.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: initialised by the successful call above.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETPGROUP;
        let raw = &raw mut attributes.0;
        let mut set = mem::MaybeUninit::uninit();
        // SAFETY: `raw` is initialised, and each signal set is filled by sigemptyset or sigfillset before it is read.
        unsafe {
            check(libc::posix_spawnattr_setflags(raw, flags as c_short))?;
            check(libc::posix_spawnattr_setpgroup(raw, 0))?;
            libc::sigemptyset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(raw, set.as_ptr()))?;
            libc::sigfillset(set.as_mut_ptr());
            check(libc::posix_spawnattr_setsigdefault(raw, set.as_ptr()))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// Opens a descriptor that polls readable once the process has ended.
///
/// # Errors
/// ENOSYS on kernels before 5.3, ESRCH when there is no such process.
pub(crate) fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match c_int::try_from(fd) {
        // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How many bytes of a pipe its reader has not read yet.
///
/// # Errors
/// As `ioctl(FIONREAD)`.
pub(crate) fn unread_bytes(pipe: BorrowedFd<'_>) -> io::Result<usize> {
    let mut unread: c_int = 0;
    // SAFETY: FIONREAD writes one int to the given pointer.
    if unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut unread) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(unread).unwrap_or(0))
}
