//! Opening connections to containers.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use oxwhisk_container::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::connection::Connection;

/// A connected socket of either kind.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixStream),
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
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)?;
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the container's endpoint is not a socket"));
    }
    UnixStream::connect(format!("/proc/self/fd/{}", file.as_raw_fd())).await
}

impl Socket {
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read_buf(buffer).await,
            Self::Tcp(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Reads only if the kernel is known to have something.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_read(buffer),
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
            Self::Unix(stream) => stream.write_vectored(slices).await,
            Self::Tcp(stream) => stream.write_vectored(slices).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
