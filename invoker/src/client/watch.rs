//! Putting Unix sockets into the poller, for less than tokio's own sockets ask it.
#![expect(unsafe_code, reason = "tokio leaves it to the caller that a watched descriptor stays open")]

use std::io;
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has a non-blocking socket watched for `interest` alone. Must be called within a tokio runtime.
///
/// # Errors
/// When the poller does not take it, which knows each descriptor once.
pub(super) fn watch(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: a UnixStream is one open descriptor for as long as it lives, always the same, and the AsyncFd owns it.
    Ok(unsafe { AsyncFd::register_with_interest(stream, interest) }?)
}
