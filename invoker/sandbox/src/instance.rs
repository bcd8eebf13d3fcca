//! Which of possibly several servers on this machine this one is.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::error::SetupError;

/// Ranges of uids and subnets that servers of one machine share out among themselves.
pub(crate) const RANGES: u32 = 64;

/// A server's directory and name, held by a lock for as long as it lives.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Six hexadecimal digits that depend on the directory, so that a restarted server finds what its predecessor left.
    pub(crate) id: String,
    /// This crate's own part of the state directory.
    pub(crate) directory: PathBuf,
    _lock: Flock<fs::File>,
}

impl Instance {
    /// Takes `state_dir`, or says that another server has it.
    pub(crate) fn take(state_dir: &Path) -> Result<Self, SetupError> {
        let directory = state_dir.join("sandbox");
        make_private(&directory)?;
        let directory = directory.canonicalize().map_err(SetupError::path("resolve", &directory))?;
        let lock = try_lock(&directory.join("lock"))?
            .ok_or_else(|| SetupError::InUse(state_dir.display().to_string()))?;
        let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
        let id = digest[..3].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, directory, _lock: lock })
    }
}

/// One of the ranges, held by a lock.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) index: u32,
    _lock: Flock<fs::File>,
}

impl Range {
    /// The first range that no server of this user holds and that `free` accepts. The search starts at a place that
    /// depends on the instance, so that a restarted server usually gets its old range.
    pub(crate) fn take(instance: &str, free: impl Fn(u32) -> bool) -> Result<Self, SetupError> {
        let directory = lock_directory();
        make_private(&directory)?;
        let start = u32::from_str_radix(instance, 16).unwrap_or(0);
        for index in (0..RANGES).map(|step| (start + step) % RANGES).filter(|index| free(*index)) {
            if let Some(lock) = try_lock(&directory.join(format!("range-{index}")))? {
                return Ok(Self { index, _lock: lock });
            }
        }
        Err(SetupError::Missing(format!(
            "all {RANGES} ranges of addresses and uids are in use by other servers or other networks"
        )))
    }
}

fn lock_directory() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/run/oxwhisk");
    }
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    base.join(format!("oxwhisk-{}", nix::unistd::geteuid()))
}

fn make_private(directory: &Path) -> Result<(), SetupError> {
    let make = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
    };
    make().map_err(SetupError::path("make", directory))
}

fn try_lock(path: &Path) -> Result<Option<Flock<fs::File>>, SetupError> {
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(SetupError::path("open", path))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EAGAIN)) => Ok(None),
        Err((_, error)) => Err(SetupError::path("lock", path)(io::Error::from(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_once_and_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = Instance::take(dir.path()).unwrap();
        assert!(matches!(Instance::take(dir.path()), Err(SetupError::InUse(_))));
        let id = first.id.clone();
        assert_eq!(id.len(), 6);
        drop(first);
        assert_eq!(Instance::take(dir.path()).unwrap().id, id);
    }
}
