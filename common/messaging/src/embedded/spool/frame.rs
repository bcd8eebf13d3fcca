//! How records lie in a spool file.
//!
//! A file begins with [`MAGIC`] and a random marker. Every record is a frame: the marker, the length of its body, a
//! checksum over length and body, the body (length of the key, key, payload). The marker finds the next frame behind a damaged
//! one; because it is random, nothing that a client puts into a payload can pass for a frame.

use std::ops::Range;

/// File format and its version.
pub(super) const MAGIC: [u8; 8] = *b"OXSPOOL\x01";

pub(super) const MARKER: usize = 8;

/// Bytes before the first frame.
pub(super) const FILE_HEADER: usize = MAGIC.len() + MARKER;

/// Marker, length, checksum.
const FRAME_HEADER: usize = MARKER + 4 + 4;

/// Bytes of the longest key.
pub(super) const KEY_MAX: usize = u16::MAX as usize;

/// The bytes of a frame before its payload, into `head`. The key is no longer than [`KEY_MAX`].
pub(super) fn write_head(head: &mut Vec<u8>, marker: [u8; MARKER], key: &str, payload: &[u8]) {
    let body_length = (2 + key.len() + payload.len()) as u32;
    let key_length = (key.len() as u16).to_le_bytes();
    let mut checksum = crc32fast::Hasher::new();
    for part in [&body_length.to_le_bytes()[..], &key_length, key.as_bytes(), payload] {
        checksum.update(part);
    }
    head.clear();
    head.extend_from_slice(&marker);
    head.extend_from_slice(&body_length.to_le_bytes());
    head.extend_from_slice(&checksum.finalize().to_le_bytes());
    head.extend_from_slice(&key_length);
    head.extend_from_slice(key.as_bytes());
}

/// A frame found in a file; ranges and offset count from the beginning of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) offset: usize,
    pub(super) key: Range<usize>,
    pub(super) payload: Range<usize>,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) frames: Vec<Frame>,
    /// Stretches between frames that cannot be read.
    pub(super) damaged: Vec<Range<usize>>,
    /// Where the last frame ends; what follows is the beginning of a frame that was never acknowledged.
    pub(super) end: usize,
}

/// Reads a file; `None` when it does not begin as one.
pub(super) fn scan(file: &[u8]) -> Option<Scan> {
    let marker = file.strip_prefix(&MAGIC)?.first_chunk::<MARKER>()?;
    let mut scan = Scan { end: FILE_HEADER, ..Scan::default() };
    let mut at = FILE_HEADER;
    while let Some(frame) = next_frame(file, *marker, at) {
        if frame.offset > at {
            scan.damaged.push(at..frame.offset);
        }
        at = frame.payload.end;
        scan.end = at;
        scan.frames.push(frame);
    }
    Some(scan)
}

/// The first sound frame at `from` or behind it.
fn next_frame(file: &[u8], marker: [u8; MARKER], from: usize) -> Option<Frame> {
    let mut at = from;
    loop {
        if let Some(frame) = frame_at(file, marker, at) {
            return Some(frame);
        }
        let rest = file.get(at + 1..)?;
        at += 1 + rest.windows(MARKER).position(|window| window == marker)?;
    }
}

fn frame_at(file: &[u8], marker: [u8; MARKER], offset: usize) -> Option<Frame> {
    let rest = file.get(offset..)?.strip_prefix(&marker)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(body);
    if hasher.finalize() != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (key_length, rest) = body.split_first_chunk::<2>()?;
    let key_length = usize::from(u16::from_le_bytes(*key_length));
    let key_start = offset + FRAME_HEADER + 2;
    let payload_length = rest.len().checked_sub(key_length)?;
    let payload_start = key_start + key_length;
    Some(Frame {
        offset,
        key: key_start..payload_start,
        payload: payload_start..payload_start + payload_length,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEST_MARKER: [u8; MARKER] = *b"\x91marker\x02";

    type Record = (String, Vec<u8>);

    fn file(records: &[Record]) -> Vec<u8> {
        let mut file = [MAGIC, TEST_MARKER].concat();
        let mut head = Vec::new();
        for (key, payload) in records {
            write_head(&mut head, TEST_MARKER, key, payload);
            file.extend_from_slice(&head);
            file.extend_from_slice(payload);
        }
        file
    }

    fn records(file: &[u8], scan: &Scan) -> Vec<Record> {
        let read = |frame: &Frame| {
            (
                String::from_utf8(file[frame.key.clone()].to_vec()).unwrap(),
                file[frame.payload.clone()].to_vec(),
            )
        };
        scan.frames.iter().map(read).collect()
    }

    fn some_records() -> impl Strategy<Value = Vec<Record>> {
        prop::collection::vec(("[a-z]{0,5}", prop::collection::vec(any::<u8>(), 0..40)), 0..6)
    }

    proptest! {
        #[test]
        fn any_truncation_yields_a_prefix_of_the_records(written in some_records()) {
            let file = file(&written);
            for length in FILE_HEADER..=file.len() {
                let scan = scan(&file[..length]).unwrap();
                let read = records(&file, &scan);
                prop_assert_eq!(&written[..read.len()], &read[..]);
                prop_assert_eq!(&scan.damaged, &vec![]);
                prop_assert!(scan.end <= length);
            }
            prop_assert_eq!(scan(&file).unwrap().frames.len(), written.len());
        }

        #[test]
        fn a_damaged_byte_costs_at_most_the_record_it_lies_in(
            written in some_records(), place in any::<prop::sample::Index>(), change in 1..=u8::MAX,
        ) {
            prop_assume!(!written.is_empty());
            let sound = file(&written);
            let hit = FILE_HEADER + place.index(sound.len() - FILE_HEADER);
            let mut damaged = sound.clone();
            damaged[hit] ^= change;
            let frames = scan(&sound).unwrap().frames;
            let lost = frames.iter().position(|frame| (frame.offset..frame.payload.end).contains(&hit)).unwrap();
            let mut expected = written;
            expected.remove(lost);
            let scan = scan(&damaged).unwrap();
            prop_assert_eq!(records(&damaged, &scan), expected);
        }
    }

    #[test]
    fn a_frame_inside_a_payload_is_not_found() {
        let foreign = file(&[("forged".to_owned(), b"record".to_vec())]);
        let mut head = Vec::new();
        write_head(&mut head, *b"others!!", "forged", b"record");
        let written = vec![("a".to_owned(), [foreign[..20].to_vec(), head].concat())];
        let file = file(&written);
        let torn = scan(&file[..file.len() - 1]).unwrap();
        assert_eq!(torn, Scan { end: FILE_HEADER, ..Scan::default() });
    }

    #[test]
    fn a_file_of_another_kind_is_not_read() {
        for bytes in [&b""[..], b"OXSPOOL", b"OXSPOOL\x02--------", b"OXSPOOL\x01-------"] {
            assert_eq!(scan(bytes), None);
        }
    }
}
