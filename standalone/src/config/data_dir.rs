//! The directory that holds everything the server remembers.

use std::fs::{self, DirBuilder, OpenOptions};
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
}

/// Makes `path` a usable data directory, for its owner only; `clean` empties it first. Call it when the directory is
/// known not to be in use by another server.
///
/// # Errors
/// When there is no such directory to be had, or `clean` is asked for a directory that is not a server's.
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
    let entries: Vec<fs::DirEntry> = fs::read_dir(path).and_then(Iterator::collect).map_err(in_use)?;
    if !entries.is_empty() && !path.join(MARKER).is_file() {
        return Err(DataDirError::NotOurs { path: path.to_owned() });
    }
    // The marker goes last: an interrupted clean can be repeated.
    for entry in entries.iter().filter(|entry| entry.file_name() != MARKER) {
        let is_dir = entry.file_type().map_err(in_use)?.is_dir();
        let removed = if is_dir { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.map_err(in_use)?;
    }
    Ok(())
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
