//! Where connections come from, and how they are secured.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::geteuid;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::address::{self, Address, PlaintextRefused};
use crate::io::{socket_path, without_delay};
use crate::tls::TlsSource;

/// How a TCP address is secured. Unix sockets are by the user: theirs and root.
#[derive(Clone, Debug)]
pub enum Security {
    MutualTls(Arc<TlsSource>),
    /// No TLS. On an address that others than this machine reach, only with `insecure`, the configuration's admission.
    Plaintext {
        insecure: bool,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {address}: {source}")]
    Bind { address: Address, source: io::Error },
    #[error(transparent)]
    Plaintext(#[from] PlaintextRefused),
}

/// An address that is listened on.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    address: Address,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener, Security),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// What was accepted, before any handshake.
#[derive(Debug)]
pub(super) enum Accepted {
    Tls(TcpStream, SocketAddr, Arc<TlsSource>),
    Plain(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    /// Listens on `address`; port 0 takes any. A unix socket is its owner's alone, and a stale one is replaced.
    ///
    /// # Errors
    /// When the address cannot be had, or plain text is not admitted there.
    pub async fn bind(address: &Address, security: Security) -> Result<Self, BindError> {
        let cannot = |source| BindError::Bind { address: address.clone(), source };
        match address {
            Address::Unix(path) => {
                let (listener, file) = bind_unix(path).map_err(cannot)?;
                Ok(Self { inner: Inner::Unix { listener, _file: file }, address: address.clone() })
            }
            Address::Tcp { host, port } => {
                if let Security::Plaintext { insecure } = security {
                    address::check_plaintext(address, insecure)?;
                }
                let listener = TcpListener::bind((host.as_str(), *port)).await.map_err(cannot)?;
                let address = listener.local_addr().map_err(cannot)?.into();
                Ok(Self { inner: Inner::Tcp(listener, security), address })
            }
        }
    }

    /// Where it is; with the port that was taken.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.inner {
            Inner::Tcp(listener, security) => {
                let (stream, from) = listener.accept().await?;
                let stream = without_delay(stream)?;
                Ok(match security {
                    Security::MutualTls(tls) => Accepted::Tls(stream, from, Arc::clone(tls)),
                    Security::Plaintext { .. } => Accepted::Plain(stream, from),
                })
            }
            Inner::Unix { listener, .. } => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

/// Removes the socket's file, if it is still that one.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // If it cannot be removed, the next server replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::symlink_metadata(path)?.ino())
}

/// The socket is made in a directory that is nobody else's, and moved to its place when nobody else may open it: there is
/// no moment at which a stranger could.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let taken = socket_path(path)
        .is_ok_and(|(path, _directory)| std::os::unix::net::UnixStream::connect(path).is_ok());
    if taken {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "a server listens there"));
    }
    let private = path.with_extension(format!("new-{}", std::process::id()));
    // A process of the same number may have died half-way.
    let _ = fs::remove_dir_all(&private);
    DirBuilder::new().mode(0o700).create(&private)?;
    let listener = bind_in(&private, path);
    // Empty once the socket was moved.
    let _ = fs::remove_dir_all(&private);
    listener
}

fn bind_in(private: &Path, path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let made = private.join("socket");
    let (short, _directory) = socket_path(&made)?;
    let listener = UnixListener::bind(short)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    let inode = inode(&made)?;
    fs::rename(&made, path)?;
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

/// Whether a process of user `uid` may use a socket of this process.
pub(super) fn admits_user(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_its_owners_and_goes_with_the_listener() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("admin.sock");
        let address = Address::Unix(path.clone());
        let security = || Security::Plaintext { insecure: false };
        let listener = Listener::bind(&address, security()).await.expect("bound");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1);
        let second = Listener::bind(&address, security()).await.expect_err("it is taken");
        assert!(second.to_string().ends_with("a server listens there"), "{second}");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "the standard library leaves the file");
        let listener =
            Listener::bind(&Address::Unix(path.clone()), Security::Plaintext { insecure: false }).await;
        assert!(listener.is_ok(), "{listener:?}");
    }

    #[tokio::test]
    async fn plain_text_on_every_address_must_be_admitted() {
        let address: Address = "0.0.0.0:0".parse().unwrap();
        let refused = Listener::bind(&address, Security::Plaintext { insecure: false }).await;
        assert!(matches!(refused, Err(BindError::Plaintext(_))), "{refused:?}");
        assert!(Listener::bind(&address, Security::Plaintext { insecure: true }).await.is_ok());
    }

    #[test]
    fn strangers_are_not_admitted() {
        let own = geteuid().as_raw();
        assert!(admits_user(own) && admits_user(0) && !admits_user(own + 1));
    }
}
