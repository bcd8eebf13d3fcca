//! Opening connections to containers.

use std::io;
use std::os::unix::fs::FileTypeExt;

use oxwhisk_container::Endpoint;
use tokio::io::AsyncReadExt;
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
        Endpoint::Unix(path) => {
            // The folder is the container's to write: a link in the socket's place could lead to a service of the host.
            // The kernel follows links on connect, so whoever shares the folder with strangers has to hold them off
            // the path itself (the sandbox gives each container a folder that only its runtime writes).
            let kind = std::fs::symlink_metadata(path)?.file_type();
            if !kind.is_socket() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the container's endpoint is not a socket",
                ));
            }
            Socket::Unix(UnixStream::connect(path).await?)
        }
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // The request is one write, so there is nothing to gather.
            stream.set_nodelay(true)?;
            Socket::Tcp(stream)
        }
    };
    Ok(Connection::new(socket))
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

    pub(super) async fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        use tokio::io::AsyncWriteExt;
        match self {
            Self::Unix(stream) => stream.write_vectored(slices).await,
            Self::Tcp(stream) => stream.write_vectored(slices).await,
        }
    }
}
