//! Clients that are gone without a word: a container's network ends with the container, and nobody says so.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Asks whether the client is still there after a silence of `every`, and again that often.
///
/// # Errors
/// When the socket is of no use.
pub(crate) fn set(stream: &TcpStream, every: Duration) -> io::Result<()> {
    let often = TcpKeepalive::new().with_time(every).with_interval(every).with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&often)
}
