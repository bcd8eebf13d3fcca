//! One process of the action with its pipes.

use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};

use crate::{
    reaper::Reaper,
    sys::{self, Program},
};

/// Linux takes no longer single argument (`MAX_ARG_STRLEN` less the NUL).
pub(crate) const MAX_ARGUMENT: usize = 131_071;

/// What to start.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) exec: &'a CStr,
    pub(crate) dir: &'a CStr,
    pub(crate) env: &'a [CString],
    /// `argv[1]`, left out where it is longer than [`MAX_ARGUMENT`].
    pub(crate) argument: Option<&'a [u8]>,
    /// Whether the process gets descriptor 3.
    pub(crate) answers: bool,
}

/// A running or ended process. Dropping it ends it with its process group, and reaps it.
#[derive(Debug)]
pub(crate) struct Process {
    reaper: Arc<Reaper>,
    pid: i32,
    pidfd: OwnedFd,
    stdin: Option<File>,
    stdout: Option<File>,
    answers: Option<File>,
    ended: bool,
}

/// What a read that never blocks found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(usize),
    NothingYet,
    End,
}

impl Process {
    /// Starts a process.
    ///
    /// # Errors
    /// The reason why no process runs: no pipes, or what `execve` said.
    pub(crate) fn start(reaper: &Arc<Reaper>, start: &Start<'_>) -> io::Result<Self> {
        let (child_stdin, stdin) = pipe2(OFlag::O_CLOEXEC)?;
        let (stdout, child_stdout) = pipe2(OFlag::O_CLOEXEC)?;
        let (answers, child_answers) = if start.answers {
            let (ours, childs) = pipe2(OFlag::O_CLOEXEC)?;
            (Some(non_blocking(ours)?), Some(childs))
        } else {
            (None, None)
        };
        let mut argv = vec![start.exec.to_owned()];
        if let Some(argument) = start.argument.filter(|argument| argument.len() <= MAX_ARGUMENT) {
            argv.push(CString::new(argument)?);
        }
        let (pid, pidfd) = reaper.spawn(&Program {
            path: start.exec,
            argv: &argv,
            env: start.env,
            dir: start.dir,
            stdin: child_stdin.as_fd(),
            stdout: child_stdout.as_fd(),
            answers: child_answers.as_ref().map(AsFd::as_fd),
        })?;
        let stdin = Some(non_blocking(stdin)?);
        let stdout = Some(non_blocking(stdout)?);
        Ok(Self { reaper: Arc::clone(reaper), pid, pidfd, stdin, stdout, answers, ended: false })
    }

    /// Writes what fits into stdin: `None` when the process can read no more, or stdin was closed.
    pub(crate) fn write_stdin(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            match self.stdin.as_mut()?.write(bytes) {
                Ok(written) => return Some(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Lets the process read end of file.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Bytes of stdin that the process has not read yet; `None` when stdin was closed.
    pub(crate) fn unread_stdin(&self) -> Option<usize> {
        self.stdin.as_ref().and_then(|stdin| sys::unread_bytes(stdin.as_fd()).ok())
    }

    pub(crate) fn read_stdout(&mut self, buffer: &mut [u8]) -> Piece {
        let piece = self.stdout.as_mut().map_or(Piece::End, |stdout| read_piece(stdout, buffer));
        if piece == Piece::End {
            // An ended pipe polls ready for ever.
            self.stdout = None;
        }
        piece
    }

    pub(crate) fn read_answers(&mut self, buffer: &mut [u8]) -> Piece {
        self.answers.as_mut().map_or(Piece::End, |answers| read_piece(answers, buffer))
    }

    /// The process has closed descriptor 3 for good.
    pub(crate) fn close_answers(&mut self) {
        self.answers = None;
    }

    /// Notes that the process was seen to have ended.
    pub(crate) fn mark_ended(&mut self) {
        self.ended = true;
    }

    pub(crate) fn stdin_fd(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn stdout_fd(&self) -> Option<BorrowedFd<'_>> {
        self.stdout.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn answers_fd(&self) -> Option<BorrowedFd<'_>> {
        self.answers.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether this is a single-threaded process whose thread sleeps in `read(0, ...)`.
    ///
    /// The kernel names a system call only for a thread that is not running, so a yes is no guess. Where `/proc` does
    /// not tell, the answer is no.
    pub(crate) fn sleeps_reading_stdin(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count);
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.pid)).unwrap_or_default();
        threads == 1 && call.starts_with(&format!("{} 0x0 ", nix::libc::SYS_read))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended {
            self.reaper.forget_ended(self.pid);
        } else {
            self.reaper.finish(self.pid);
        }
    }
}

fn non_blocking(fd: OwnedFd) -> io::Result<File> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(File::from(fd))
}

fn read_piece(pipe: &mut File, buffer: &mut [u8]) -> Piece {
    loop {
        match pipe.read(buffer) {
            Ok(0) => return Piece::End,
            Ok(read) => return Piece::Bytes(read),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Piece::NothingYet,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Piece::End,
        }
    }
}
