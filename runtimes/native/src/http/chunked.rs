//! Bodies in chunks: pure, incremental decoding.

use super::head::{HeadError, MAX_BODY};

/// Chunk extensions and trailers have no use here, so that their lines are kept short.
const MAX_LINE: usize = 4 << 10;

/// Decodes a chunked body from pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

impl Decoder {
    /// Decodes what it can of `input` onto `body`; returns how many bytes of `input` it used.
    ///
    /// # Errors
    /// The input is no chunked body, or the body grows beyond [`MAX_BODY`].
    pub(crate) fn push(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, HeadError> {
        let mut used = 0;
        while self.state != State::Done {
            let rest = &input[used..];
            if let State::Data(left) = self.state {
                let take = left.min(rest.len());
                body.extend_from_slice(&rest[..take]);
                used += take;
                self.state = if take == left { State::DataEnd } else { State::Data(left - take) };
                if take < left {
                    break;
                }
                continue;
            }
            let Some(line) = line(rest)? else { break };
            used += line.len() + 1;
            self.state = self.after_line(line.strip_suffix(b"\r").unwrap_or(line), body.len())?;
        }
        Ok(used)
    }

    /// Whether the last chunk and its trailer were seen.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn after_line(&self, line: &[u8], so_far: usize) -> Result<State, HeadError> {
        match self.state {
            State::Size => match chunk_size(line)? {
                0 => Ok(State::Trailer),
                size if size > MAX_BODY - so_far => Err(HeadError::BodyTooLarge),
                size => Ok(State::Data(size)),
            },
            State::DataEnd if line.is_empty() => Ok(State::Size),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => Ok(State::Trailer),
            State::DataEnd | State::Data(_) | State::Done => Err(malformed("a chunk longer than its size")),
        }
    }
}

fn line(input: &[u8]) -> Result<Option<&[u8]>, HeadError> {
    match memchr::memchr(b'\n', input) {
        Some(end) if end <= MAX_LINE => Ok(Some(&input[..end])),
        None if input.len() <= MAX_LINE => Ok(None),
        _ => Err(malformed("a chunk line too long")),
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, HeadError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(malformed("a chunk size that is no number"));
    }
    let size = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    size.ok_or(HeadError::BodyTooLarge)
}

fn malformed(what: &str) -> HeadError {
    HeadError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), HeadError> {
        let (mut decoder, mut body, mut pending) = (Decoder::default(), Vec::new(), Vec::new());
        for piece in pieces {
            pending.extend_from_slice(piece);
            let used = decoder.push(&pending, &mut body)?;
            pending.drain(..used);
        }
        Ok((body, decoder.is_done(), pending))
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let text = b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\nnext";
        assert_eq!(decode(&[text]).unwrap(), (b"hello world".to_vec(), true, b"next".to_vec()));
    }

    #[test]
    fn what_is_no_chunked_body_is_refused() {
        for text in ["x\r\n", "\r\n", "2\r\nabc\r\n", "-1\r\n", "4000001\r\n", "fffffffffffffffffff\r\n"] {
            assert!(decode(&[text.as_bytes()]).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            let (left, right) = text.split_at(cut.index(text.len()));
            prop_assert_eq!(decode(&[left, right]).unwrap(), (chunks.concat(), true, Vec::new()));
        }
    }
}
