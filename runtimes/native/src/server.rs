//! The listener, the signals, and the bounded set of connection threads.
//!
//! The main thread waits for connections and, on a signalfd, for SIGCHLD (it reaps) and SIGTERM or SIGINT (it stops
//! the server). Each connection has a thread of its own, which does everything for its requests.

use std::{
    fs, io,
    net::TcpListener,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{fs::FileTypeExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::{
    action::Action,
    connection::{self, Stream},
    http::Wire,
    logs,
    reaper::Reaper,
    reply::Reply,
    settings::{Listen, Settings},
};

/// Connections at once. The invoker keeps one or a few to each container.
const MAX_CONNECTIONS: usize = 64;
/// A connection's thread does not recurse; the default of 2 MiB would only be address space, but limits count that.
const THREAD_STACK: usize = 256 << 10;

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener could not be opened.
    #[error("cannot listen on {listen}: {error}")]
    Listen {
        /// The address as configured.
        listen: String,
        /// The reason.
        error: io::Error,
    },
    /// The process cannot take signals or wait for events.
    #[error("cannot wait for connections and signals: {0}")]
    Wait(io::Error),
}

impl From<Errno> for ServeError {
    fn from(errno: Errno) -> Self {
        Self::Wait(errno.into())
    }
}

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

struct Connection {
    stream: Stream,
    thread: JoinHandle<()>,
}

/// Serves `/init` and `/run` until SIGTERM or SIGINT, then ends the action and the connections.
///
/// It takes over SIGCHLD, SIGTERM and SIGINT and reaps **every** child of this process: nothing else in the process
/// may wait for children. Call it before other threads exist, so that they inherit the blocked signals.
///
/// # Errors
/// The listener or the signals cannot be had.
pub fn serve(settings: Settings) -> Result<(), ServeError> {
    let signals = take_signals()?;
    let listener = Listener::open(&settings.listen)?;
    let reaper = Arc::new(Reaper::default());
    let action = Arc::new(Mutex::new(Action::new(settings, Arc::clone(&reaper))));
    let mut connections = Vec::new();
    let served = serve_until_stopped(&listener, &signals, &reaper, &action, &mut connections);
    // Without its process a run that is under way ends by itself, so that every thread can be waited for.
    reaper.stop();
    for connection in &connections {
        connection.stream.stop_reading();
    }
    for connection in connections {
        // A panic was reported by the thread itself.
        let _panicked = connection.thread.join();
    }
    served
}

fn take_signals() -> Result<SignalFd, ServeError> {
    let taken: SigSet = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    taken.thread_block()?;
    Ok(SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

fn serve_until_stopped(
    listener: &Listener,
    signals: &SignalFd,
    reaper: &Reaper,
    action: &Arc<Mutex<Action>>,
    connections: &mut Vec<Connection>,
) -> Result<(), ServeError> {
    loop {
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let (signalled, connecting) = (fds[0].any().unwrap_or(false), fds[1].any().unwrap_or(false));
        if signalled && take_stop_signal(signals, reaper)? {
            return Ok(());
        }
        if connecting {
            match listener.accept() {
                Ok(stream) => admit(stream, action, connections),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(ServeError::Wait(error)),
            }
        }
    }
}

/// A connection that was given up before it was accepted is no fault of the listener.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

/// Takes all pending signals: reaps for SIGCHLD, and says whether the server is to stop.
fn take_stop_signal(signals: &SignalFd, reaper: &Reaper) -> Result<bool, ServeError> {
    let mut stop = false;
    while let Some(signal) = signals.read_signal()? {
        match Signal::try_from(signal.ssi_signo.cast_signed()) {
            Ok(Signal::SIGCHLD) => reaper.reap_ended(),
            _ => stop = true,
        }
    }
    Ok(stop)
}

fn admit(stream: Stream, action: &Arc<Mutex<Action>>, connections: &mut Vec<Connection>) {
    connections.retain(|connection| !connection.thread.is_finished());
    if let Err(error) = try_admit(stream, action, connections) {
        logs::complain(&format!("cannot take a connection: {error}"));
    }
}

fn try_admit(
    stream: Stream,
    action: &Arc<Mutex<Action>>,
    connections: &mut Vec<Connection>,
) -> io::Result<()> {
    stream.prepare()?;
    if connections.len() >= MAX_CONNECTIONS {
        let too_many = Reply::error(429, format_args!("more than {MAX_CONNECTIONS} connections"));
        return Wire::new(stream).write_reply(&too_many).map(|_| ());
    }
    let outside_handle = stream.try_clone()?;
    let action = Arc::clone(action);
    let thread = thread::Builder::new()
        .name("connection".to_owned())
        .stack_size(THREAD_STACK)
        .spawn(move || connection::serve(stream, &action))?;
    connections.push(Connection { stream: outside_handle, thread });
    Ok(())
}

impl Listener {
    fn open(listen: &Listen) -> Result<Self, ServeError> {
        match listen {
            Listen::Unix(path) => {
                let failed = |error| ServeError::Listen { listen: format!("unix:{}", path.display()), error };
                let listener = bind_unix(path).map_err(failed)?;
                Ok(Self::Unix(listener, path.clone()))
            }
            Listen::Tcp(address) => {
                let failed = |error| ServeError::Listen { listen: format!("tcp:{address}"), error };
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Self::Tcp(listener))
            }
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        // Linux does not pass the listener's non-blocking mode on to what it accepts.
        match self {
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener, _) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Replaces a socket file that a proxy before us left; any other file there is somebody's and stays.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Gone already, or in a folder that is gone: nothing is left to tidy up either way.
            let _gone = fs::remove_file(path);
        }
    }
}
