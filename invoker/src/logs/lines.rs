//! Cuts what a container writes into lines and ends of activations, wherever the chunks are cut.

use std::time::SystemTime;

use memchr::memchr;

/// What a runtime prints on each of its two streams when an activation is over.
pub(crate) const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Line {
        time: SystemTime,
        text: String,
    },
    /// The activation's output on this stream is complete.
    End,
}

/// Bytes from which on a line is cut in pieces; bounds the memory of a stream without line ends. (A sentinel right
/// across such a cut is missed, and the activation's logs then end with the warning that they may not be complete.)
const PIECE: usize = 1 << 20;

/// One of the two streams of a container.
#[derive(Debug)]
pub(super) struct Lines {
    partial: Vec<u8>,
    /// When the first byte of `partial` was written.
    begun: Option<SystemTime>,
    piece: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { partial: Vec::new(), begun: None, piece: PIECE }
    }
}

impl Lines {
    /// Reads a chunk; `emit` gets every line that it completes.
    pub(super) fn push(&mut self, mut bytes: &[u8], time: SystemTime, mut emit: impl FnMut(Event)) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.partial.is_empty() && end <= self.piece {
                emit_line(&bytes[..end], time, &mut emit);
            } else {
                self.append(&bytes[..end], time, &mut emit);
                self.finish(time, &mut emit);
            }
            bytes = &bytes[end + 1..];
        }
        self.append(bytes, time, &mut emit);
    }

    /// Emits a last line that has no end yet.
    pub(super) fn flush(&mut self, mut emit: impl FnMut(Event)) {
        if !self.partial.is_empty() {
            self.finish(SystemTime::UNIX_EPOCH, &mut emit);
        }
    }

    fn append(&mut self, mut bytes: &[u8], time: SystemTime, emit: &mut impl FnMut(Event)) {
        while self.partial.len() + bytes.len() > self.piece {
            let (head, tail) = bytes.split_at(self.piece - self.partial.len());
            self.begun.get_or_insert(time);
            self.partial.extend_from_slice(head);
            self.finish(time, emit);
            bytes = tail;
        }
        if !bytes.is_empty() {
            self.begun.get_or_insert(time);
            self.partial.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self, now: SystemTime, emit: &mut impl FnMut(Event)) {
        emit_line(&self.partial, self.begun.take().unwrap_or(now), emit);
        self.partial.clear();
        self.partial.shrink_to(1 << 12);
    }
}

/// A sentinel ends the activation even if the action's last output has no line end of its own.
fn emit_line(line: &[u8], time: SystemTime, emit: &mut impl FnMut(Event)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (line, ends) = match line.strip_suffix(SENTINEL.as_bytes()) {
        Some(before) => (before, true),
        None => (line, false),
    };
    if !(ends && line.is_empty()) {
        emit(Event::Line { time, text: String::from_utf8_lossy(line).into_owned() });
    }
    if ends {
        emit(Event::End);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        read_with(Lines::default(), chunks)
    }

    fn read_with<'a>(mut lines: Lines, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut read = Vec::new();
        let mut emit = |event| {
            read.push(match event {
                Event::Line { text, .. } => text,
                Event::End => "<end>".to_owned(),
            });
        };
        for chunk in chunks {
            lines.push(chunk, SystemTime::UNIX_EPOCH, &mut emit);
        }
        lines.flush(&mut emit);
        read
    }

    #[test]
    fn lines_and_ends() {
        let text = format!("a\r\nb\n\npartial{SENTINEL}\n{SENTINEL}\r\nlast");
        assert_eq!(read([text.as_bytes()]), ["a", "b", "", "partial", "<end>", "<end>", "last"]);
        assert_eq!(read([b"\xff\n".as_slice()]), ["\u{fffd}"]);
        assert_eq!(read([format!("{SENTINEL} no\n").as_bytes()]), [format!("{SENTINEL} no")]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let small = || Lines { piece: 4, ..Lines::default() };
        assert_eq!(read_with(small(), [b"abcdefghij\nk".as_slice()]), ["abcd", "efgh", "ij", "k"]);
        assert_eq!(read_with(small(), [b"abcd\n".as_slice()]), ["abcd"]);
        let small = Lines { piece: 4, ..Lines::default() };
        assert_eq!(read_with(small, [b"abc".as_slice(), b"d", b"efghi", b"\n"]), ["abcd", "efgh", "i"]);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"\n".to_vec()), Just(b"\r\n".to_vec()), Just(SENTINEL.as_bytes().to_vec()),
                    prop::collection::vec(any::<u8>(), 0..6), Just("é".as_bytes().to_vec()),
                ],
                0..20,
            ),
            sizes in prop::collection::vec(1_usize..50, 1..200),
        ) {
            let text = parts.concat();
            let mut chunks = Vec::new();
            let mut rest = text.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, tail) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            prop_assert_eq!(read(chunks), read([text.as_slice()]));
        }
    }
}
