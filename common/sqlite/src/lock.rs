//! One server to a data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::OpenError;

/// Makes the directory if it is not there; only its owner may look inside, since it holds keys.
///
/// # Errors
/// [`OpenError::Directory`].
pub fn create_directory(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)
}

/// Held as long as a server uses a directory. The kernel gives it up when the process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock file `name` in `directory`.
    ///
    /// # Errors
    /// [`OpenError::InUse`] with the holder's process id, [`OpenError::Directory`] when there can be no lock file.
    pub fn acquire(directory: &Path, name: &str) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Directory { path: directory.to_owned(), source };
        let path = directory.join(name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file).map_err(failed)?;
                return Err(OpenError::InUse { path: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_own_id(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn write_own_id(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_pid_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::acquire(directory.path(), "lock").unwrap();
        let error = DirectoryLock::acquire(directory.path(), "lock").unwrap_err();
        assert!(error.to_string().ends_with(&format!("process id {}", std::process::id())), "{error}");
        drop(first);
        DirectoryLock::acquire(directory.path(), "lock").unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = create_directory(&file.join("data")).unwrap_err();
        assert!(error.to_string().contains("file/data cannot be used"), "{error}");
    }
}
