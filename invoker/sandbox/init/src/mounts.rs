//! The file tree of a sandbox: what all share is built once by the launcher, what each has for itself is mounted at
//! its start.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::message::{Failure, ProgramSpec, RootLayout, StandbySpec};
use crate::{SOCKET_DIRECTORY, Step, sys};

/// Kernel files no action needs, hidden behind `/dev/null` or an empty directory, as Docker does.
const HIDDEN_FILES: [&str; 8] = [
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
];
const HIDDEN_DIRECTORIES: [&str; 3] = ["/proc/acpi", "/proc/asound", "/proc/scsi"];
/// Directories of `/proc` that configure the machine.
const READ_ONLY: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"];

const NONE: Option<&str> = None;
/// `nosymfollow`, which the `nix` crate does not name.
const NO_SYMLINKS: MsFlags = MsFlags::from_bits_retain(libc::MS_NOSYMFOLLOW);

/// Keeps what is mounted from now on out of every other mount namespace.
///
/// # Errors
/// `EINVAL` in a `chroot`, where the root directory is no mount.
pub(crate) fn keep_to_ourselves() -> io::Result<()> {
    Ok(mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?)
}

/// Mounts the shared part on the layout's directory.
pub(crate) fn build_root(layout: &RootLayout) -> Result<(), Failure> {
    let root = &layout.directory;
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE).step("mount the root directory")?;
    let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID;
    for bind in &layout.binds {
        let target = inside(root, &bind.target);
        let name = format!("show {}", bind.source.display());
        mount(Some(&bind.source), &target, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).step(&name)?;
        // A device node is written to, which a read-only mount allows: its attributes concern the node itself.
        let attributes = if bind.device { read_only } else { read_only | libc::MOUNT_ATTR_NODEV };
        sys::set_mount_attributes(&target, attributes, true).step(&name)?;
    }
    if layout.keep_proc {
        let target = inside(root, Path::new("/proc"));
        mount(Some("/proc"), &target, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).step("keep /proc")?;
    }
    sys::set_mount_attributes(root, read_only | libc::MOUNT_ATTR_NODEV, false)
        .step("make the root directory read-only")
}

/// Makes `root` the root of this mount namespace and leaves nothing of the old one behind.
pub(crate) fn pivot(root: &Path) -> Result<(), Failure> {
    chdir(root).step("enter the root directory")?;
    pivot_root(".", ".").step("change the root")?;
    umount2(".", MntFlags::MNT_DETACH).step("leave the host's files")?;
    chdir("/").step("enter the new root")
}

/// Mounts the directory of the runtime's socket; answers a handle on it that works from outside this mount namespace.
pub(crate) fn mount_socket_directory(standby: &StandbySpec) -> Result<OwnedFd, Failure> {
    let mode = if standby.open_socket { 0o711 } else { 0o700 };
    // The server connects through this one, so a link in it must lead nowhere, and there is no room to fill.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | NO_SYMLINKS;
    mount_tmpfs(SOCKET_DIRECTORY, flags, &tmpfs_options(standby.uid, mode, 64 << 10, 16))?;
    open_socket_directory()
}

/// Mounts what the sandbox's program may write to, in the sizes it is given.
pub(crate) fn mount_writable(uid: u32, spec: &ProgramSpec) -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    for (target, size) in [("/tmp", spec.tmp_size), ("/dev/shm", spec.shm_size)] {
        mount_tmpfs(target, flags, &tmpfs_options(uid, 0o1777, size, inodes_for(size)))?;
    }
    Ok(())
}

/// Mounts the sandbox's own `/proc`, which shows its processes alone.
pub(crate) fn mount_proc() -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NONE).step("mount /proc")?;
    for path in HIDDEN_FILES {
        present(mount(Some("/dev/null"), path, NONE, MsFlags::MS_BIND, NONE))
            .step(&format!("hide {path}"))?;
    }
    let empty = flags | MsFlags::MS_RDONLY;
    for path in HIDDEN_DIRECTORIES {
        present(mount(Some("tmpfs"), path, Some("tmpfs"), empty, Some("size=4k,nr_inodes=1")))
            .step(&format!("hide {path}"))?;
    }
    for path in READ_ONLY {
        let bound = mount(Some(path), path, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE);
        if present(bound).step(&format!("protect {path}"))? {
            sys::set_mount_attributes(Path::new(path), libc::MOUNT_ATTR_RDONLY, true)
                .step(&format!("protect {path}"))?;
        }
    }
    Ok(())
}

/// Whether the file was there; kernels differ in what `/proc` holds.
fn present(result: nix::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn mount_tmpfs(target: &str, flags: MsFlags, options: &str) -> Result<(), Failure> {
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options)).step(&format!("mount {target}"))
}

fn tmpfs_options(uid: u32, mode: u32, size: u64, inodes: u64) -> String {
    format!("mode={mode:o},uid={uid},gid={uid},size={size},nr_inodes={inodes}")
}

/// Inodes are kernel memory; one for each 4 KiB is what a full file system of small files needs.
fn inodes_for(size: u64) -> u64 {
    (size / 4096).max(16)
}

fn open_socket_directory() -> Result<OwnedFd, Failure> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(SOCKET_DIRECTORY)
        .step("open the socket directory")?;
    Ok(file.into())
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
