//! The check of an archive entry's name, as text.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

/// A name that leads out of the folder it would be unpacked in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the archive has an entry outside its own folder: {0:?}")]
pub(crate) struct BadPath(String);

impl BadPath {
    pub(crate) fn new(name: &Path) -> Self {
        Self(name.to_string_lossy().into_owned())
    }
}

/// The relative path an entry is unpacked to, without `.` parts; `None` for the root itself.
///
/// # Errors
/// The name is absolute, has a `..` part or a NUL byte.
pub(crate) fn entry_path(name: &[u8]) -> Result<Option<PathBuf>, BadPath> {
    let name = Path::new(OsStr::from_bytes(name));
    let mut path = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) if !part.as_bytes().contains(&0) => path.push(part),
            Component::CurDir => {}
            _ => return Err(BadPath::new(name)),
        }
    }
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_inside_are_kept() {
        for (name, path) in
            [("exec", "exec"), ("./exec", "exec"), ("a//b/./c", "a/b/c"), ("a/b/", "a/b"), ("..a", "..a")]
        {
            assert_eq!(entry_path(name.as_bytes()), Ok(Some(path.into())));
        }
        assert_eq!(entry_path(b"./"), Ok(None));
        assert_eq!(entry_path(b""), Ok(None));
    }

    #[test]
    fn names_outside_are_refused() {
        for name in ["/etc/passwd", "../exec", "a/../../b", "a/..", "..", "a\0b"] {
            assert!(entry_path(name.as_bytes()).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_its_folder(name in prop::collection::vec(prop::sample::select(b"ab./\0".to_vec()), 0..20)) {
            if let Ok(Some(path)) = entry_path(&name) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
