//! When a runtime has made its socket, learnt from the kernel: asking again and again costs a cold start the pause
//! between two questions, and a processor that the runtime needs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::fstatat;
use oxwhisk_sandbox_init::SOCKET_NAME;

use crate::sys;

/// Waits until something bears the socket's name in `directory`, which may be in another mount namespace. Whether it
/// is a socket, and whether somebody accepts connections on it, is for who connects to see.
///
/// # Errors
/// `EMFILE` when this user has as many watches as the kernel gives one.
pub(crate) async fn socket_appears(directory: BorrowedFd<'_>) -> io::Result<()> {
    if exists(directory)? {
        return Ok(());
    }
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    // Created under its name, or under another and then renamed, as runtimes do that must not be met half made.
    inotify.add_watch(path.as_str(), AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)?;
    let events = sys::wait_readable(OwnedFd::from(inotify))?;
    while !exists(directory)? {
        let mut ready = events.readable().await?;
        // What happened does not matter: the next look tells. An unread event would wake this for ever.
        match nix::unistd::read(events.get_ref().as_fd(), &mut [0; 4096]) {
            Ok(_) => {}
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn exists(directory: BorrowedFd<'_>) -> io::Result<bool> {
    match fstatat(directory, SOCKET_NAME, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_seen_by_its_name_alone_however_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let directory = OwnedFd::from(fs::File::open(folder.path()).unwrap());
        let mut appears = Box::pin(socket_appears(directory.as_fd()));
        assert!(futures_util::poll!(&mut appears).is_pending());
        fs::write(folder.path().join("socket~"), "").unwrap();
        let wait = tokio::time::timeout(Duration::from_millis(20), &mut appears).await;
        assert!(wait.is_err(), "another name is not enough");
        fs::rename(folder.path().join("socket~"), folder.path().join(SOCKET_NAME)).unwrap();
        tokio::time::timeout(Duration::from_secs(10), appears).await.unwrap().unwrap();
        socket_appears(directory.as_fd()).await.unwrap();
    }
}
