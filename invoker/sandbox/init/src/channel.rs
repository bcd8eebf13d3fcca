//! Messages with descriptors between the server, its launcher and a starting sandbox: JSON over a socket pair that
//! keeps message borders, so that nothing private stands on a command line or in a file.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys;

/// Longest message; the kernel's default send buffer takes it in one piece.
const MAX_MESSAGE: usize = 128 << 10;
/// Most descriptors of one message.
const MAX_FDS: usize = 16;

/// Two connected ends, both closed by `exec`.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends one message with copies of `fds`.
pub fn send<T: Serialize>(socket: impl AsFd, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    if bytes.len() > MAX_MESSAGE || fds.len() > MAX_FDS {
        return Err(io::Error::other(format!(
            "a message of {} bytes and {} descriptors is too large",
            bytes.len(),
            fds.len()
        )));
    }
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    let parts = [IoSlice::new(&bytes)];
    sendmsg::<()>(socket.as_fd().as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message; `None` when the other end is closed.
pub fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; MAX_MESSAGE];
    let mut control = cmsg_space!([RawFd; MAX_FDS]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = loop {
        match recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other?,
        }
    };
    let mut raw = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            raw.extend(fds);
        }
    }
    let (length, cut) = (message.bytes, message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC));
    let fds = sys::own_received(&raw);
    if cut {
        return Err(io::Error::other("a message was cut short"));
    }
    if length == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&buffer[..length]).map_err(io::Error::other)?, fds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_descriptor_arrive_and_closing_is_seen() {
        let (left, right) = pair().unwrap();
        let (read, write) = nix::unistd::pipe().unwrap();
        send(&left, &vec!["a", "b"], &[write.as_fd()]).unwrap();
        drop(write);
        let (message, mut fds): (Vec<String>, _) = receive(&right).unwrap().unwrap();
        assert_eq!(message, ["a", "b"]);
        assert_eq!(fds.len(), 1);
        nix::unistd::write(fds.remove(0), b"x").unwrap();
        let mut byte = [0];
        assert_eq!(nix::unistd::read(&read, &mut byte).unwrap(), 1);
        drop(left);
        assert!(receive::<Vec<String>>(&right).unwrap().is_none());
    }

    #[test]
    fn too_large_a_message_is_refused() {
        let (left, _right) = pair().unwrap();
        let error = send(&left, &"x".repeat(MAX_MESSAGE), &[]).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
