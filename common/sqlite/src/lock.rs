//! One server to a data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::OpenError;

/// Makes the directory if it is not there; only its owner may look inside, since it holds keys.
///
/// # Errors
/// [`OpenError::Directory`].
pub fn create_directory(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)
}

/// A killed server may leave a child between its fork and its exec, which holds the lock for a moment more.
const REMNANT_LIMIT: Duration = Duration::from_secs(5);
const REMNANT_PAUSE: Duration = Duration::from_millis(10);

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
        let deadline = Instant::now() + REMNANT_LIMIT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&mut file).map_err(failed)?;
                    if is_alive(&holder) || Instant::now() >= deadline {
                        return Err(OpenError::InUse { path: directory.to_owned(), holder });
                    }
                    std::thread::sleep(REMNANT_PAUSE);
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        write_own_id(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Whether the process with this id may still be a server; without a readable id it may.
fn is_alive(id: &str) -> bool {
    id.parse::<u32>().map_or(true, |id| Path::new(&format!("/proc/{id}")).exists())
}

fn holder(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
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
    fn what_a_dead_holder_left_behind_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let mut remnant = File::create(directory.path().join("lock")).unwrap();
        remnant.lock().unwrap();
        // More than the kernel gives out.
        remnant.write_all(b"4194305").unwrap();
        let end = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(remnant);
        });
        DirectoryLock::acquire(directory.path(), "lock").unwrap();
        end.join().unwrap();
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
