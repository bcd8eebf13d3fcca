//! The directory that holds everything the server remembers.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
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
    #[error(
        "data directory '{path}' is not emptied: it has files and none of them is '{MARKER}', so it is no server's"
    )]
    NotOurs { path: PathBuf },
    #[error("data directory '{path}' is not emptied: a server uses it")]
    InUse { path: PathBuf },
}

/// Makes `path` a usable data directory, for its owner only; `clean` empties it first.
///
/// # Errors
/// When there is no such directory to be had; with `clean`, when it is not a server's or a server runs on it.
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
    if clean {
        empty(path)?;
    }
    OpenOptions::new().create(true).append(true).open(path.join(MARKER)).map_err(in_use)?;
    Ok(())
}

fn empty(path: &Path) -> Result<(), DataDirError> {
    let in_use = |error| DataDirError::Use { path: path.to_owned(), error };
    let entries: Vec<DirEntry> = fs::read_dir(path).and_then(Iterator::collect).map_err(in_use)?;
    if !entries.is_empty() && !path.join(MARKER).is_file() {
        return Err(DataDirError::NotOurs { path: path.to_owned() });
    }
    let (locks, others): (Vec<DirEntry>, Vec<DirEntry>) = entries.into_iter().partition(is_lock);
    // Held until everything is gone, so that no server starts on a directory that is half empty.
    let _held: Vec<File> = locks.iter().map(|lock| take(path, lock)).collect::<Result<_, _>>()?;
    // The marker stays: an interrupted clean can be repeated. Lock files stay, too: a lock on a file that is no
    // longer there would keep nobody out.
    for entry in others.iter().filter(|entry| entry.file_name() != MARKER) {
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
    use std::os::unix::fs::PermissionsExt as _;

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

        let home = dir.path().join("home");
        fs::create_dir(&home).expect("writable");
        fs::write(home.join("thesis"), "x").expect("writable");
        let refused = prepare(&home, true).expect_err("it is somebody's");
        assert!(refused.to_string().contains("is not emptied"), "{refused}");
        assert!(home.join("thesis").exists());
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
