//! One keep-alive connection: reads a request, lets the action answer it, writes the answer.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{Mutex, TryLockError},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    action::Action,
    http::{Request, Wire, WireError},
    reply::Reply,
};

/// A request that stops half way, and an answer nobody takes, are given up after this time.
const STALL: Duration = Duration::from_secs(60);

/// A stream of either kind.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Sets what every connection of the server has set.
    ///
    /// # Errors
    /// The peer is gone already.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(STALL))?;
                stream.set_write_timeout(Some(STALL))
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(STALL))?;
                stream.set_write_timeout(Some(STALL))?;
                stream.set_nodelay(true)
            }
        }
    }

    /// A second handle, to end the connection from outside.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }

    /// Waits until there is something to read, the end of the stream included.
    ///
    /// A read that waits by itself is also woken when the peer takes the last answer (the kernel wakes whoever sleeps
    /// on a Unix socket that has room again): a change of threads for nothing at every call, which `poll` filters out.
    ///
    /// # Errors
    /// `poll` failed.
    fn wait_for_input(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Ends the connection, which dropping this handle alone would not: the server holds another.
    fn close(&self) {
        // Fails only when the peer has ended the connection already.
        let _already_ended = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Ends reading: the connection's thread writes the answer it owes and finds the end of the stream.
    pub(crate) fn stop_reading(&self) {
        // Fails only when the peer has ended the connection already.
        let _already_ended = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Read),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Read),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Serves a connection to its end.
pub(crate) fn serve(stream: Stream, action: &Mutex<Action>) {
    let mut wire = Wire::new(stream);
    serve_requests(&mut wire, action);
    wire.stream().close();
}

fn serve_requests(wire: &mut Wire<Stream>, action: &Mutex<Action>) {
    loop {
        if wire.is_drained() && wire.stream().wait_for_input().is_err() {
            return;
        }
        let reply = match wire.read_request() {
            Ok(true) => wire.request().map(|request| route(&request, action, wire.stream().as_fd())),
            Ok(false) | Err(WireError::Io(_)) => return,
            Err(WireError::Stalled) => Some(Reply::error(408, WireError::Stalled)),
            Err(WireError::Bad(error)) => Some(Reply::error(error.status(), error)),
        };
        let Some(reply) = reply else { return };
        match wire.write_reply(&reply) {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

fn route(request: &Request<'_>, action: &Mutex<Action>, caller: BorrowedFd<'_>) -> Reply {
    let handler = match request.path {
        "/init" => Action::init,
        "/run" => Action::run,
        _ => return Reply::error(404, "not found: only /init and /run are served"),
    };
    if request.method != "POST" {
        return Reply::error(405, "only POST is served");
    }
    match action.try_lock() {
        Ok(mut action) => handler(&mut action, request.body, caller),
        Err(TryLockError::WouldBlock) => Reply::not_ready("running"),
        Err(TryLockError::Poisoned(poisoned)) => {
            // A panic half way through a run leaves the state `Gone`: it is answered like any dead action.
            handler(&mut poisoned.into_inner(), request.body, caller)
        }
    }
}
