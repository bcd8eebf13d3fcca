//! Unpacks a zip or tar.gz archive into a fresh folder.
//!
//! Nothing is ever written outside that folder: names are checked as text ([`path`]), and links are made last, so that
//! no file is written through one. Where a symbolic link points to is the action's own business: it runs with no fewer
//! rights than the unpacking.

pub(crate) mod path;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Cursor, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use flate2::bufread::GzDecoder;

use self::path::{BadPath, entry_path};

/// More entries, or more bytes unpacked, are taken for a decompression bomb.
const MAX_ENTRIES: usize = 200_000;
const MAX_UNPACKED: u64 = 2 << 30;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("{0}")]
    Path(#[from] BadPath),
    #[error("the archive is damaged: {0}")]
    Zip(#[from] zip::result::ZipError),
    #[error("the archive is damaged or cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error("the archive has more than {MAX_ENTRIES} entries or {MAX_UNPACKED} bytes unpacked")]
    TooLarge,
}

/// Writes entries below one folder and keeps its links for the end.
struct Unpacker<'a> {
    root: &'a Path,
    entries: usize,
    room: u64,
    symlinks: Vec<(PathBuf, PathBuf)>,
    hard_links: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Unpacker<'a> {
    fn new(root: &'a Path) -> Self {
        Self { root, entries: 0, room: MAX_UNPACKED, symlinks: Vec::new(), hard_links: Vec::new() }
    }

    fn count_entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES { Err(ArchiveError::TooLarge) } else { Ok(()) }
    }

    fn folder(&self, name: &Path, mode: u32) -> Result<(), ArchiveError> {
        let folder = self.root.join(name);
        make_folders(&folder)?;
        // The owner keeps all rights: the folder is still to be filled, and one day removed.
        fs::set_permissions(folder, Permissions::from_mode(mode & 0o777 | 0o700))?;
        Ok(())
    }

    fn file(&mut self, name: &Path, mode: u32, content: impl Read) -> Result<(), ArchiveError> {
        let target = self.root.join(name);
        make_parent(&target)?;
        let mut file = create_anew(&target)?;
        // One byte more than there is room for tells too much from just enough.
        self.room = match self.room.checked_sub(io::copy(&mut content.take(self.room + 1), &mut file)?) {
            Some(room) => room,
            None => return Err(ArchiveError::TooLarge),
        };
        file.set_permissions(Permissions::from_mode(mode & 0o777))?;
        Ok(())
    }

    fn make_links(&self) -> Result<(), ArchiveError> {
        for (name, original) in &self.hard_links {
            let target = self.root.join(name);
            make_parent(&target)?;
            fs::hard_link(self.root.join(original), target)?;
        }
        // In the order of the archive; a link below an earlier link would be made through that one.
        for (name, points_to) in &self.symlinks {
            let target = self.root.join(name);
            refuse_linked_parents(self.root, name)?;
            make_parent(&target)?;
            symlink(points_to, target)?;
        }
        Ok(())
    }
}

/// Unpacks a zip archive.
///
/// # Errors
/// The archive is damaged, too large or names a path outside, or the folder cannot be written.
pub(crate) fn unzip(archive: &[u8], root: &Path) -> Result<(), ArchiveError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut unpacker = Unpacker::new(root);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        unpacker.count_entry()?;
        let Some(name) = entry_path(entry.name_raw())? else { continue };
        let mode = entry.unix_mode();
        if entry.is_dir() {
            unpacker.folder(&name, mode.unwrap_or(0o755))?;
        } else if entry.is_symlink() {
            let mut points_to = String::new();
            // PATH_MAX bounds what a link can hold.
            entry.by_ref().take(4096).read_to_string(&mut points_to)?;
            unpacker.symlinks.push((name, points_to.into()));
        } else {
            unpacker.file(&name, mode.unwrap_or(0o644), entry)?;
        }
    }
    unpacker.make_links()
}

/// Unpacks a gzipped tar archive; devices, sockets and FIFOs in it are left out.
///
/// # Errors
/// As [`unzip`].
pub(crate) fn untar(archive: &[u8], root: &Path) -> Result<(), ArchiveError> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let mut unpacker = Unpacker::new(root);
    for entry in archive.entries()? {
        let mut entry = entry?;
        unpacker.count_entry()?;
        let Some(name) = entry_path(&entry.path_bytes())? else { continue };
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            unpacker.folder(&name, entry.header().mode()?)?;
        } else if kind.is_symlink() {
            let points_to = entry.link_name()?.unwrap_or_default().into_owned();
            unpacker.symlinks.push((name, points_to));
        } else if kind.is_hard_link() {
            let original = entry.link_name_bytes().unwrap_or_default();
            let Some(original) = entry_path(&original)? else { continue };
            unpacker.hard_links.push((name, original));
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let mode = entry.header().mode()?;
            unpacker.file(&name, mode, &mut entry)?;
        }
    }
    unpacker.make_links()
}

fn make_parent(target: &Path) -> io::Result<()> {
    target.parent().map_or(Ok(()), make_folders)
}

fn make_folders(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

/// An archive may hold a name twice; the later entry wins, as with other unpackers.
fn create_anew(target: &Path) -> io::Result<File> {
    match fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)
}

fn refuse_linked_parents(root: &Path, name: &Path) -> Result<(), BadPath> {
    for parent in name.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if root.join(parent).is_symlink() {
            return Err(BadPath::new(name));
        }
    }
    Ok(())
}
