//! The directory that holds everything the server remembers.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Says that a directory is a server's own. Only such a one is ever emptied.
const MARKER: &str = "oxwhisk-data";

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("data directory '{path}' cannot be created: {error}")]
    Create { path: PathBuf, error: io::Error },
    #[error("data directory '{path}' is not a directory")]
    NotADirectory { path: PathBuf },
    #[error("data directory '{path}' cannot be used: {error}")]
    Use { path: PathBuf, error: io::Error },
    /// Emptied one day, it would take with it what is somebody's.
    #[error(
        "data directory '{path}' has files and none of them is '{MARKER}', so it is no server's: name an empty or new one"
    )]
    NotOurs { path: PathBuf },
    #[error("data directory '{path}' is not emptied: a server uses it")]
    InUse { path: PathBuf },
}

/// Makes `path` a usable data directory, for its owner only; `clean` empties it first.
///
/// # Errors
/// When there is no such directory to be had, or it is not a server's; with `clean`, when a server runs on it.
pub fn prepare(path: &Path, clean: bool) -> Result<(), DataDirError> {
    let in_use = |error| DataDirError::Use { path: path.to_owned(), error };
    if path.exists() && !path.is_dir() {
        return Err(DataDirError::NotADirectory { path: path.to_owned() });
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| DataDirError::Create { path: path.to_owned(), error })?;
    let entries: Vec<DirEntry> = fs::read_dir(path).and_then(Iterator::collect).map_err(in_use)?;
    if !entries.iter().all(is_bare) && !path.join(MARKER).is_file() {
        return Err(DataDirError::NotOurs { path: path.to_owned() });
    }
    if clean {
        empty(path, entries)?;
    }
    OpenOptions::new().create(true).append(true).open(path.join(MARKER)).map_err(in_use)?;
    keep_private(path).map_err(in_use)
}

/// A file system of its own begins with this.
fn is_bare(entry: &DirEntry) -> bool {
    entry.file_name() == "lost+found"
}

/// Keys and code are in there. Whoever made the directory beforehand may have left it open to others.
fn keep_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(mode & 0o700)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!(path = %path.display(), "the data directory is another user's, who may let others read it");
            Ok(())
        }
        done => done,
    }
}

fn empty(path: &Path, entries: Vec<DirEntry>) -> Result<(), DataDirError> {
    let in_use = |error| DataDirError::Use { path: path.to_owned(), error };
    let (locks, others): (Vec<DirEntry>, Vec<DirEntry>) = entries.into_iter().partition(is_lock);
    // Held until everything is gone, so that no server starts on a directory that is half empty.
    let _held: Vec<File> = locks.iter().map(|lock| take(path, lock)).collect::<Result<_, _>>()?;
    // The marker stays: an interrupted clean can be repeated. Lock files stay, too: a lock on a file that is no
    // longer there would keep nobody out.
    for entry in others.iter().filter(|entry| entry.file_name() != MARKER && !is_bare(entry)) {
        let is_dir = entry.file_type().map_err(in_use)?.is_dir();
        let removed = if is_dir { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.map_err(in_use)?;
    }
    Ok(())
}

/// The stores keep other servers out by a locked file each.
fn is_lock(entry: &DirEntry) -> bool {
    let path = entry.path();
    entry.file_name() == "lock" || path.extension().is_some_and(|extension| extension == "lock")
}

fn take(path: &Path, lock: &DirEntry) -> Result<File, DataDirError> {
    let in_use = |error| DataDirError::Use { path: path.to_owned(), error };
    let file = OpenOptions::new().write(true).open(lock.path()).map_err(in_use)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(in_use(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_for_its_owner_only_and_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().join("a/b");
        prepare(&data, false).expect("created");
        fs::write(data.join("kept"), "x").expect("writable");
        assert_eq!(fs::metadata(&data).expect("there").permissions().mode() & 0o777, 0o700);
        prepare(&data, false).expect("found");
        assert!(data.join("kept").exists());
    }

    #[test]
    fn clean_empties_only_what_is_a_servers() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        prepare(&data, true).expect("created");
        fs::create_dir_all(data.join("sub/deep")).expect("writable");
        fs::write(data.join("file"), "x").expect("writable");
        prepare(&data, true).expect("cleaned");
        let left: Vec<_> = fs::read_dir(&data).expect("readable").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, [MARKER]);

        // A start without it is what would make a directory a server's.
        let home = dir.path().join("home");
        fs::create_dir(&home).expect("writable");
        fs::write(home.join("thesis"), "x").expect("writable");
        for clean in [true, false, true] {
            let refused = prepare(&home, clean).expect_err("it is somebody's");
            assert!(matches!(refused, DataDirError::NotOurs { .. }), "{refused}");
        }
        assert!(home.join("thesis").exists());
    }

    #[test]
    fn one_that_was_open_to_others_is_closed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("own");
        fs::create_dir(dir.path().join("lost+found")).expect("writable");
        for clean in [false, true] {
            prepare(dir.path(), clean).expect("a new file system is as good as empty");
            assert_eq!(fs::metadata(dir.path()).expect("there").permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn what_a_server_uses_is_not_emptied() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        prepare(dir.path(), false).expect("usable");
        fs::write(dir.path().join("entities.db"), "x").expect("writable");
        for name in ["lock", "queue.lock"] {
            let lock = File::create(dir.path().join(name)).expect("writable");
            lock.try_lock().expect("free");
            let refused = prepare(dir.path(), true).expect_err("it is in use");
            assert!(matches!(refused, DataDirError::InUse { .. }), "{refused}");
        }
        assert!(dir.path().join("entities.db").exists());
        prepare(dir.path(), true).expect("free now");
        assert!(!dir.path().join("entities.db").exists() && dir.path().join("lock").exists());
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("writable");
        let refused = prepare(&file, false).expect_err("a file is no directory");
        assert_eq!(refused.to_string(), format!("data directory '{}' is not a directory", file.display()));
        let below = prepare(&file.join("x"), false).expect_err("a file has nothing below it");
        assert!(matches!(below, DataDirError::Create { .. }), "{below}");
    }
}
