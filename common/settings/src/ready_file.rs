//! `--ready-file`: tells another program that the server takes requests, and where.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Writes `{"api":URL,"pid":N}` so that a reader sees all of it or nothing.
///
/// # Errors
/// When the file or the temporary one beside it cannot be written.
pub fn write(path: &Path, api: &str, pid: u32) -> io::Result<()> {
    let text = serde_json::json!({"api": api, "pid": pid}).to_string();
    let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(format!(".{pid}"));
    let temporary: PathBuf = path.with_file_name(name);
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path).inspect_err(|_| {
        // The rename's own error is what matters; a left-over is only untidy.
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_appears_whole_and_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("ready.json");
        write(&path, "http://127.0.0.1:1", 7).expect("written");
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(text, r#"{"api":"http://127.0.0.1:1","pid":7}"#);
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1);
        assert!(write(&dir.path().join("no/such"), "x", 7).is_err());
    }
}
