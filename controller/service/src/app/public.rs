//! The address of the public API: held from the start, served when there is something to serve.

use std::net::SocketAddr;

use oxwhisk_settings::{Exit, Refusal};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// An address that is bound. Until it is listened on, connections are refused at once, so that whoever stands in front
/// tries another controller, and nobody waits.
#[derive(Debug)]
pub(super) struct PublicSocket {
    socket: TcpSocket,
    address: SocketAddr,
}

impl PublicSocket {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Refusal> {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() };
        let bound = socket.and_then(|socket| {
            // Connections of an earlier process that end slowly do not keep the port.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        });
        bound.map_err(|error| unavailable(address, &error))
    }

    pub(super) fn listen(self) -> Result<TcpListener, Refusal> {
        let address = self.address;
        self.socket.listen(BACKLOG).map_err(|error| unavailable(address, &error))
    }
}

fn unavailable(address: SocketAddr, error: &std::io::Error) -> Refusal {
    Refusal::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn until_it_listens_nobody_waits() {
        let socket = PublicSocket::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = socket.address;
        let refused = TcpStream::connect(address).await.expect_err("nobody is there");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = socket.listen().expect("it is bound");
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
    }

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = taken.local_addr().expect("bound");
        let refusal = PublicSocket::bind(address).expect_err("it is taken");
        assert_eq!(refusal.exit, Exit::Unavailable);
        assert!(refusal.to_string().starts_with(&format!("cannot listen on {address}: ")), "{refusal}");
    }
}
