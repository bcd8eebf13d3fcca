//! Cuts a skeleton process' stdout into log and result: the last line is the result, all before it is log.

/// Holds back the last line of a stream and lets everything before it through.
///
/// One newline at the very end belongs to the last line; with two, the last line is empty, as in OpenWhisk's own
/// skeleton proxy.
#[derive(Debug, Default)]
pub(crate) struct LastLine {
    held: Vec<u8>,
}

impl LastLine {
    /// Takes the next piece of the stream and hands whatever can no longer be the last line to `log`.
    pub(crate) fn push(&mut self, piece: &[u8], mut log: impl FnMut(&[u8])) {
        // What was held has no newline but perhaps its last byte: only that byte and the new piece are searched, so
        // that one endless line is not read again for each piece.
        let unsearched = self.held.len().saturating_sub(1);
        self.held.extend_from_slice(piece);
        let end = self.held.strip_suffix(b"\n").map_or(self.held.len(), <[u8]>::len);
        let newline = memchr::memrchr(b'\n', &self.held[unsearched.min(end)..end]);
        if let Some(newline) = newline.map(|at| unsearched + at) {
            log(&self.held[..=newline]);
            self.held.drain(..=newline);
        }
    }

    /// How many bytes are held back.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing was held back: the stream was empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The last line without the white space around it.
    pub(crate) fn as_result(&self) -> &[u8] {
        self.held.trim_ascii()
    }

    /// Everything held back, as it was written; for a stream that turned out to hold no result.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> (String, String) {
        let (mut last, mut log) = (LastLine::default(), Vec::new());
        for piece in pieces {
            last.push(piece, |bytes| log.extend_from_slice(bytes));
        }
        (String::from_utf8(log).unwrap(), String::from_utf8(last.as_result().to_vec()).unwrap())
    }

    #[test]
    fn the_last_line_is_the_result() {
        assert_eq!(split(&[b"a\nb\n{}\n"]), ("a\nb\n".to_owned(), "{}".to_owned()));
        assert_eq!(split(&[b"{}"]), (String::new(), "{}".to_owned()));
        assert_eq!(split(&[b"a\n {} \r\n"]), ("a\n".to_owned(), "{}".to_owned()));
        assert_eq!(split(&[b"{}\n", b"\n"]), ("{}\n".to_owned(), String::new()));
        assert_eq!(split(&[]), (String::new(), String::new()));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[a{}\n]{0,60}", cuts in prop::collection::vec(0_usize..60, 0..5)) {
            let whole = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= whole.len()).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&pieces), split(&[whole]));
        }
    }
}
