//! Where a reply ends, in either version of the protocol.

/// The server, or whatever answers in its place, does not speak Redis's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reply cannot be understood")]
pub struct MalformedReply;

/// The longest line of a reply that is one: an error, a number, a length.
const LONGEST_LINE: usize = 64 << 10;
/// How deep replies may be in each other.
const DEEPEST: usize = 32;

/// One item of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// An error's text, in one line or in many.
    Error(&'a [u8]),
    /// A string of any kind that keys may be.
    Text(&'a [u8]),
    /// Numbers, truths, nulls and the like.
    Other,
    /// So many items follow; the first byte says of what.
    Items(u8, usize),
}

/// Reads the item at the beginning; `None` if it is cut short. Says how long its own part is.
pub(crate) fn item(bytes: &[u8]) -> Result<Option<(Item<'_>, usize)>, MalformedReply> {
    let Some(kind) = bytes.first() else { return Ok(None) };
    let Some((line, after)) = line(bytes)? else { return Ok(None) };
    let whole = |length: usize| -> Result<Option<(&[u8], usize)>, MalformedReply> {
        let end = after.checked_add(length).and_then(|end| end.checked_add(2)).ok_or(MalformedReply)?;
        match bytes.get(after..end) {
            None => Ok(None),
            Some(text) if text.ends_with(b"\r\n") => Ok(Some((&text[..length], end))),
            Some(_) => Err(MalformedReply),
        }
    };
    match kind {
        b'+' => Ok(Some((Item::Text(line), after))),
        b'-' => Ok(Some((Item::Error(line), after))),
        b':' | b'_' | b'#' | b',' | b'(' => Ok(Some((Item::Other, after))),
        b'$' | b'!' | b'=' => {
            let Some(length) = length(line)? else { return Ok(Some((Item::Other, after))) };
            let Some((text, end)) = whole(length)? else { return Ok(None) };
            let read = match kind {
                b'$' => Item::Text(text),
                b'!' => Item::Error(text),
                _ => Item::Other,
            };
            Ok(Some((read, end)))
        }
        b'*' | b'~' | b'>' => {
            let items = length(line)?;
            Ok(Some((items.map_or(Item::Other, |items| Item::Items(*kind, items)), after)))
        }
        b'%' | b'|' => {
            let pairs = length(line)?.ok_or(MalformedReply)?;
            let items = pairs.checked_mul(2).ok_or(MalformedReply)?;
            // An attribute stands before what it is about.
            let items = if *kind == b'|' { items + 1 } else { items };
            Ok(Some((Item::Items(*kind, items), after)))
        }
        _ => Err(MalformedReply),
    }
}

/// The length of a string whose text is not all there, and where that begins.
fn string(bytes: &[u8]) -> Result<Option<(usize, usize)>, MalformedReply> {
    if !matches!(bytes.first(), Some(b'$' | b'!' | b'=')) {
        return Ok(None);
    }
    let Some((line, after)) = line(bytes)? else { return Ok(None) };
    Ok(length(line)?.map(|length| (length, after)))
}

fn line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, MalformedReply> {
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\r') else {
        return if bytes.len() >= LONGEST_LINE { Err(MalformedReply) } else { Ok(None) };
    };
    match bytes.get(end + 1) {
        None => Ok(None),
        Some(b'\n') if end > 0 => Ok(Some((&bytes[1..end], end + 2))),
        Some(_) => Err(MalformedReply),
    }
}

/// `None` is the null of the older protocol.
fn length(line: &[u8]) -> Result<Option<usize>, MalformedReply> {
    if line == b"-1" {
        return Ok(None);
    }
    crate::request::number(line).map(Some).ok_or(MalformedReply)
}

/// Finds the end of a reply that comes in pieces; what was looked at is not looked at again.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    at: usize,
    /// Items that are awaited, of what is around and of what is in that.
    open: Vec<usize>,
    /// Of a string that is passed over, what has not come of its text.
    text: Option<usize>,
}

/// How much was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Of the buffer; they are of no use any more.
    pub bytes: usize,
    /// The reply ends there.
    pub is_whole: bool,
}

impl Scanner {
    /// Its length, once it is all there. The buffer begins with it, now and the next time.
    ///
    /// # Errors
    /// When this is no reply.
    pub fn end(&mut self, buffer: &[u8]) -> Result<Option<usize>, MalformedReply> {
        loop {
            let Some((item, length)) = item(buffer.get(self.at..).unwrap_or_default())? else {
                return Ok(None);
            };
            self.at += length;
            if self.takes(item)? {
                return Ok(Some(std::mem::take(&mut self.at)));
            }
        }
    }

    /// Passes over a reply that nobody is to have, as far as it is there, so that none of it has to be kept. The buffer begins
    /// where it did for [`Self::end`], and the next time behind what was passed over.
    ///
    /// # Errors
    /// When this is no reply.
    pub fn pass(&mut self, buffer: &[u8]) -> Result<Passed, MalformedReply> {
        let mut at = std::mem::take(&mut self.at);
        loop {
            let rest = buffer.get(at..).unwrap_or_default();
            if let Some(left) = self.text {
                let there = left.min(rest.len());
                at += there;
                self.text = Some(left - there);
                match rest.get(there..there + 2) {
                    _ if there < left => return Ok(Passed { bytes: at, is_whole: false }),
                    None => return Ok(Passed { bytes: at, is_whole: false }),
                    Some(b"\r\n") => (at, self.text) = (at + 2, None),
                    Some(_) => return Err(MalformedReply),
                }
                if self.takes(Item::Other)? {
                    return Ok(Passed { bytes: at, is_whole: true });
                }
            } else if let Some((item, length)) = item(rest)? {
                at += length;
                if self.takes(item)? {
                    return Ok(Passed { bytes: at, is_whole: true });
                }
            } else if let Some((length, header)) = string(rest)? {
                at += header;
                self.text = Some(length);
            } else {
                return Ok(Passed { bytes: at, is_whole: false });
            }
        }
    }

    /// One item more. Says whether the reply ends with it.
    fn takes(&mut self, item: Item<'_>) -> Result<bool, MalformedReply> {
        if let Item::Items(_, items) = item
            && items > 0
        {
            if self.open.len() == DEEPEST {
                return Err(MalformedReply);
            }
            self.open.push(items);
            return Ok(false);
        }
        while let Some(awaited) = self.open.last_mut() {
            *awaited -= 1;
            if *awaited > 0 {
                break;
            }
            self.open.pop();
        }
        Ok(self.open.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPLIES: [&str; 12] = [
        "+OK\r\n",
        "-ERR no\r\n",
        ":12\r\n",
        "$-1\r\n",
        "$5\r\na\r\nbc\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*1\r\n$0\r\n\r\n*2\r\n:1\r\n_\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n",
        ">3\r\n+message\r\n+c\r\n$1\r\nx\r\n",
        "|1\r\n+ttl\r\n:3\r\n*1\r\n#t\r\n",
        "!3\r\nERR\r\n",
    ];

    proptest! {
        #[test]
        fn replies_end_where_they_end_however_they_come(
            order in prop::collection::vec(0..REPLIES.len(), 1..20),
            piece in 1usize..9,
        ) {
            let stream: String = order.iter().map(|one| REPLIES[*one]).collect();
            let (mut start, mut there) = (0, 0);
            let mut scanner = Scanner::default();
            for one in order {
                let end = loop {
                    if let Some(end) = scanner.end(&stream.as_bytes()[start..there]).unwrap() {
                        break end;
                    }
                    prop_assert!(there < stream.len());
                    there = (there + piece).min(stream.len());
                };
                prop_assert_eq!(&stream[start..start + end], REPLIES[one]);
                start += end;
            }
        }

        #[test]
        fn what_is_passed_over_ends_where_it_ends_however_it_comes(
            order in prop::collection::vec(0..REPLIES.len(), 2..20),
            piece in 1usize..9,
            looked_at in 0usize..9,
        ) {
            let stream: String = order.iter().map(|one| REPLIES[*one]).collect();
            let stream = stream.as_bytes();
            let (mut start, mut there, mut ends) = (0, looked_at.min(stream.len()), 0);
            let mut scanner = Scanner::default();
            for one in order {
                ends += REPLIES[one].len();
                // It was to be kept until there was too much of it.
                if let Some(end) = scanner.end(&stream[start..there]).unwrap() {
                    start += end;
                    prop_assert_eq!(start, ends);
                    continue;
                }
                loop {
                    let passed = scanner.pass(&stream[start..there]).unwrap();
                    start += passed.bytes;
                    if passed.is_whole {
                        break;
                    }
                    prop_assert!(there < stream.len());
                    there = (there + piece).min(stream.len());
                }
                prop_assert_eq!(start, ends);
            }
        }

        #[test]
        fn anything_may_come(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1')], 0..60)) {
            if let Ok(Some(end)) = Scanner::default().end(&bytes) {
                prop_assert!(end > 0 && end <= bytes.len());
            }
            if let Ok(passed) = Scanner::default().pass(&bytes) {
                prop_assert!(passed.bytes <= bytes.len());
            }
        }
    }

    #[test]
    fn what_has_no_kind_is_no_reply() {
        for bad in ["\r\n", "x\r\n", "$01\r\na\r\n", "$1\r\nabc", "+a\rb", "%-1\r\n"] {
            assert!(Scanner::default().end(bad.as_bytes()).is_err(), "{bad:?}");
            assert!(Scanner::default().pass(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn of_a_string_that_is_passed_over_nothing_is_kept() {
        let mut scanner = Scanner::default();
        let part = |bytes| Ok(Passed { bytes, is_whole: false });
        assert_eq!(scanner.pass(b"*2\r\n$10000"), part(4));
        assert_eq!(scanner.pass(b"$100000\r\nabc"), part(12));
        for _ in 0..9999 {
            assert_eq!(scanner.pass(b"0123456789"), part(10));
        }
        assert_eq!(scanner.pass(b"0123456\r"), part(7));
        assert_eq!(scanner.pass(b"\r\n:1\r\n+OK\r\n"), Ok(Passed { bytes: 6, is_whole: true }));
    }

    #[test]
    fn what_is_too_deep_is_no_reply() {
        assert!(Scanner::default().end("*1\r\n".repeat(DEEPEST).as_bytes()).is_ok());
        assert!(Scanner::default().end("*1\r\n".repeat(DEEPEST + 1).as_bytes()).is_err());
    }
}
