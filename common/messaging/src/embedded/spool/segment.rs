//! Spool files on disk.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, FILE_HEADER, MARKER, Scan};

const EXTENSION: &str = "spool";

/// A file of an earlier process: its number, and the offsets of its records.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) number: u32,
    pub(super) records: HashSet<u32>,
}

/// A record read from a file. All payloads of a file share its memory.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) offset: u32,
    pub(super) key: String,
    pub(super) payload: Bytes,
}

/// The directory of spool files.
#[derive(Debug)]
pub(super) struct Segments {
    directory: PathBuf,
}

impl Segments {
    /// Makes the directory if it is not there, cuts off records that were being written when a process died, reports what is
    /// damaged, and returns what there is to hand out, the oldest first.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Vec<Found>)> {
        std::fs::create_dir_all(directory)?;
        let segments = Self { directory: directory.to_owned() };
        let mut found = Vec::new();
        for number in segments.numbers()? {
            found.push(Found { number, records: segments.recover(number)? });
        }
        Ok((segments, found))
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                numbers.extend(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{number:010}.{EXTENSION}"))
    }

    fn recover(&self, number: u32) -> io::Result<HashSet<u32>> {
        let path = self.path(number);
        let bytes = std::fs::read(&path)?;
        let Some(scan) = frame::scan(&bytes) else {
            self.set_aside(&path, bytes.len())?;
            return Ok(HashSet::new());
        };
        report_damage(&path, &scan);
        if scan.end < bytes.len() {
            tracing::info!(file = %path.display(), offset = scan.end, "cut off a record that was never acknowledged");
            OpenOptions::new().write(true).open(&path)?.set_len(scan.end as u64)?;
        }
        Ok(scan.frames.iter().filter_map(|frame| u32::try_from(frame.offset).ok()).collect())
    }

    /// A file without its header is kept for a human to look at; an empty one, of a process that died just then, is not.
    fn set_aside(&self, path: &Path, length: usize) -> io::Result<()> {
        if length < FILE_HEADER {
            return std::fs::remove_file(path);
        }
        let aside = path.with_extension("damaged");
        tracing::error!(file = %path.display(), offset = 0, kept = %aside.display(), "a spool file cannot be read");
        std::fs::rename(path, aside)
    }

    /// Begins a new file.
    pub(super) fn create(&self, number: u32) -> io::Result<Segment> {
        let path = self.path(number);
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let marker: [u8; MARKER] = rand::random();
        let header = [frame::MAGIC, marker].concat();
        if let Err(error) = file.write_all(&header) {
            self.remove(number);
            return Err(error);
        }
        Ok(Segment { number, file: Arc::new(file), marker, length: FILE_HEADER as u64, head: Vec::new() })
    }

    /// Deletes a file. If that fails it is only in the way: its records will come once more after a restart.
    pub(super) fn remove(&self, number: u32) {
        let path = self.path(number);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(file = %path.display(), %error, "a spool file that is done with cannot be deleted");
        }
    }

    /// Reads a file's records.
    pub(super) fn read(&self, number: u32) -> io::Result<Vec<Record>> {
        let bytes = Bytes::from(std::fs::read(self.path(number))?);
        let frames = frame::scan(&bytes).unwrap_or_default().frames;
        let record = |frame: &frame::Frame| {
            let key = String::from_utf8_lossy(&bytes[frame.key.clone()]).into_owned();
            let offset = u32::try_from(frame.offset).ok()?;
            Some(Record { offset, key, payload: bytes.slice(frame.payload.clone()) })
        };
        Ok(frames.iter().filter_map(record).collect())
    }
}

fn report_damage(path: &Path, scan: &Scan) {
    for range in &scan.damaged {
        tracing::error!(
            file = %path.display(), offset = range.start, bytes = range.len(),
            "a spool file is damaged: records in this stretch are lost, those behind it are read"
        );
    }
}

/// The file that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) file: Arc<File>,
    pub(super) length: u64,
    marker: [u8; MARKER],
    /// Kept for its allocation.
    head: Vec<u8>,
}

impl Segment {
    /// Appends a record with one `write(2)`, and returns its offset. After an error the file must not be written again.
    pub(super) fn append(&mut self, key: &str, payload: &[u8]) -> io::Result<u32> {
        let offset = u32::try_from(self.length).map_err(io::Error::other)?;
        frame::write_head(&mut self.head, self.marker, key, payload);
        if let Err(error) = write_both(&self.file, &self.head, payload) {
            // What was written of it would be found torn and cut off after a restart; better not to leave it.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::warn!(segment = self.number, %error, "part of a record stays in the spool");
            }
            return Err(error);
        }
        self.length += (self.head.len() + payload.len()) as u64;
        Ok(offset)
    }
}

/// One call of the system unless it takes less than all.
fn write_both(mut file: &File, head: &[u8], payload: &[u8]) -> io::Result<()> {
    let mut slices = [IoSlice::new(head), IoSlice::new(payload)];
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
