//! A server that was started in a `chroot`: its root directory is no mount, so the launcher could neither keep its
//! mounts to itself nor change its root. The launcher is on its way to a root of its own anyway; it goes there by way of
//! the root of its mount namespace, and from there the server's files are below the directory it was confined to.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{chdir, chroot, fchdir, getcwd};

use crate::Step;
use crate::message::{Failure, RootLayout};

/// No file system is nested deeper in sane places; a loop must end.
const MOST_LEVELS: usize = 4096;

/// Leaves the `chroot`, and answers the layout with paths as they are from outside.
///
/// # Errors
/// When the launcher may not change its root, or the directory it was confined to has no path.
pub(crate) fn leave(layout: &RootLayout) -> Result<RootLayout, Failure> {
    let confined = open_root().step("open the root directory")?;
    // A root below the working directory: going up from here is no longer stopped.
    chroot(&layout.directory).step("leave the chroot")?;
    climb().step("leave the chroot")?;
    chroot(".").step("leave the chroot")?;
    fchdir(&confined).step("find the chroot's path")?;
    let prefix = getcwd().step("find the chroot's path")?;
    chdir("/").step("enter the namespace's root")?;
    Ok(below(&prefix, layout))
}

fn open_root() -> io::Result<File> {
    chdir("/")?;
    File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open("/")
}

/// Goes up until there is no more up.
fn climb() -> io::Result<()> {
    for _ in 0..MOST_LEVELS {
        let here = std::fs::metadata(".")?;
        let up = std::fs::metadata("..")?;
        if (here.dev(), here.ino()) == (up.dev(), up.ino()) {
            return Ok(());
        }
        chdir("..")?;
    }
    Err(io::Error::other("the root directory has no end"))
}

/// The same layout, seen from outside of `prefix`.
fn below(prefix: &Path, layout: &RootLayout) -> RootLayout {
    let moved = |path: &PathBuf| prefix.join(path.strip_prefix("/").unwrap_or(path));
    let mut outside = layout.clone();
    outside.directory = moved(&layout.directory);
    for bind in &mut outside.binds {
        bind.source = moved(&bind.source);
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Bind;

    #[test]
    fn sources_move_and_targets_stay() {
        let bind = Bind { source: "/usr".into(), target: "/usr".into(), device: false };
        let layout = RootLayout { directory: "/data/root".into(), binds: vec![bind], keep_proc: false };
        let outside = below(Path::new("/var/jail"), &layout);
        assert_eq!(outside.directory, Path::new("/var/jail/data/root"));
        assert_eq!(outside.binds[0].source, Path::new("/var/jail/usr"));
        assert_eq!(outside.binds[0].target, Path::new("/usr"));
    }
}
