//! Opening connections to containers.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use oxwhisk_container::Endpoint;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use super::connection::Connection;
use super::watch::watch;

/// Most bytes of one read from a Unix socket.
const PIECE: usize = 64 << 10;

/// A connected socket of either kind.
///
/// The poller is asked for input only: a Unix socket says that it has room again whenever the container takes a part of
/// the request, and would wake the server's thread for that. A request that does not fit asks for room when it has to.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(AsyncFd<UnixStream>),
    Tcp(TcpStream),
}

/// Opens a connection.
///
/// # Errors
/// When nothing listens there (yet), or what is there is no socket.
pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Connection> {
    let socket = match endpoint {
        Endpoint::Unix(path) => Socket::Unix(connect_unix(path).await?),
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // The request is one write, so there is nothing to gather.
            stream.set_nodelay(true)?;
            Socket::Tcp(stream)
        }
    };
    Ok(Connection::new(socket))
}

/// The socket's folder is the container's to write: a link in the socket's place could lead to a service of the host.
/// So the file is opened without following a link, looked at, and connected to as what was opened.
async fn connect_unix(path: &Path) -> io::Result<AsyncFd<UnixStream>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)?;
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the container's endpoint is not a socket"));
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let stream = tokio::net::UnixStream::connect(path).await?.into_std()?;
    watch(stream, Interest::READABLE)
}

impl Socket {
    /// Appends what is there, as far as `buffer` has room; waits if there is nothing.
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => read_unix(stream, buffer).await,
            Self::Tcp(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Reads only if the kernel is known to have something.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_io(Interest::READABLE, |mut stream| stream.read(buffer)),
            Self::Tcp(stream) => stream.try_read(buffer),
        }
    }

    /// Asks the kernel, whatever is known; `WouldBlock` if there is nothing.
    pub(super) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        };
        Ok(nix::unistd::read(socket, buffer)?)
    }

    pub(super) async fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => write_unix(stream.get_ref(), slices).await,
            Self::Tcp(stream) => stream.write_vectored(slices).await,
        }
    }
}

async fn read_unix(stream: &AsyncFd<UnixStream>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let filled = buffer.len();
    let room = (buffer.capacity() - filled).min(PIECE);
    buffer.resize(filled + room, 0);
    let outcome = loop {
        let mut ready = stream.readable().await?;
        match ready.try_io(|stream| stream.get_ref().read(&mut buffer[filled..])) {
            Ok(Ok(read)) if read < room => {
                // That was all: the next read need not find out by asking.
                ready.clear_ready();
                break Ok(read);
            }
            Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Ok(outcome) => break outcome,
            Err(_would_block) => {}
        }
    };
    buffer.truncate(filled + outcome.as_ref().map_or(0, |read| *read));
    outcome
}

async fn write_unix(mut stream: &UnixStream, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    loop {
        match stream.write_vectored(slices) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for_room(stream).await?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The poller knows a descriptor once, with what it is asked for: another descriptor asks for room.
async fn wait_for_room(stream: &UnixStream) -> io::Result<()> {
    let other = watch(stream.try_clone()?, Interest::WRITABLE)?;
    let _ready = other.writable().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_larger_than_the_sockets_room_goes_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let mut socket = Socket::Unix(connect_unix(&path).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        let sent: Vec<u8> = (0..4 << 20).map(|n: u32| n as u8).collect();
        let send = async {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                rest = &rest[socket.write_vectored(&[io::IoSlice::new(rest)]).await.unwrap()..];
            }
        };
        let mut got = vec![0; sent.len()];
        let (_, read) = tokio::join!(send, far.read_exact(&mut got));
        read.unwrap();
        assert!(got == sent, "what arrives is not what was sent");
    }

    #[tokio::test]
    async fn reading_waits_and_takes_no_more_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let mut socket = Socket::Unix(connect_unix(&path).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        let mut buffer = Vec::with_capacity(4);
        for (written, read) in [(&b"ab"[..], &b"ab"[..]), (b"cdef", b"abcd"), (b"", b"ef")] {
            let mut write = Box::pin(async {
                // The reader is asked first and has to be woken.
                tokio::task::yield_now().await;
                far.write_all(written).await.unwrap();
            });
            let (_, outcome) = tokio::join!(&mut write, socket.read(&mut buffer));
            outcome.unwrap();
            assert_eq!(buffer, read);
            if buffer.len() == 4 {
                buffer.clear();
            }
        }
        drop(far);
        buffer.clear();
        assert_eq!(socket.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(socket.try_read(&mut [0]).unwrap(), 0);
    }

    #[tokio::test]
    async fn only_sockets_are_connected_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let unix = |path: &Path| Endpoint::Unix(path.to_owned());
        let kind = async |endpoint| connect(&endpoint).await.unwrap_err().kind();
        assert_eq!(kind(unix(&path)).await, io::ErrorKind::NotFound);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        connect(&unix(&path)).await.unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(kind(unix(&link)).await, io::ErrorKind::InvalidInput);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(kind(unix(&file)).await, io::ErrorKind::InvalidInput);
        drop(listener);
        assert_eq!(kind(unix(&path)).await, io::ErrorKind::ConnectionRefused);
    }
}
