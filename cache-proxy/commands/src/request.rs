//! One request in a buffer: where its arguments are.

use std::ops::Range;

use bytes::BytesMut;

/// What is too large to be a request of a cache's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Arguments, the name included.
    pub arguments: usize,
    /// Bytes of one argument.
    pub argument: usize,
    /// Bytes of a line without lengths, and of a line with one.
    pub line: usize,
    /// Bytes in all.
    pub request: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { arguments: 1024 * 1024, argument: 512 << 20, line: 64 << 10, request: 1 << 30 }
    }
}

/// Redis ends the connection on these, with this text after `ERR Protocol error: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("invalid multibulk length")]
    Arguments,
    #[error("invalid bulk length")]
    Argument,
    #[error("expected '$', got '{}'", char::from(*.0))]
    NoArgument(u8),
    #[error("too big inline request")]
    Line,
    #[error("unbalanced quotes in request")]
    Quotes,
    #[error("an argument does not end where it should")]
    End,
    #[error("too big request")]
    Request,
}

/// How far a request is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has so many bytes.
    Complete(usize),
    /// More has to be read; the buffer has to begin where it began.
    Incomplete,
    /// Words on a line of so many bytes: see [`Request::of_line`].
    Line(usize),
    /// So many bytes that ask for nothing.
    Nothing(usize),
}

/// Where the arguments of a request are. Used for one request after the other.
#[derive(Clone, Debug, Default)]
pub struct Request {
    arguments: Vec<Range<usize>>,
    /// Of those, how many it has; known when its first line is.
    count: usize,
    /// Read so far.
    at: usize,
}

impl Request {
    /// Reads on in a buffer that begins with a request; what was read of it before is not read again.
    ///
    /// # Errors
    /// When this is no request, or a larger one than may be.
    pub fn read(&mut self, buffer: &[u8], bounds: &Bounds) -> Result<Progress, Malformed> {
        if self.count == 0 {
            match buffer.first() {
                None => return Ok(Progress::Incomplete),
                Some(b'*') => {}
                Some(_) => return line(buffer, bounds),
            }
            let Some((count, after)) = length(buffer, 1, bounds).map_err(|()| Malformed::Arguments)? else {
                return Ok(Progress::Incomplete);
            };
            let Some(count) = count.filter(|count| *count > 0) else { return Ok(Progress::Nothing(after)) };
            if count > bounds.arguments {
                return Err(Malformed::Arguments);
            }
            (self.count, self.at) = (count, after);
        }
        while self.arguments.len() < self.count {
            match buffer.get(self.at) {
                None => return Ok(Progress::Incomplete),
                Some(b'$') => {}
                Some(other) => return Err(Malformed::NoArgument(*other)),
            }
            let Some((length, start)) =
                length(buffer, self.at + 1, bounds).map_err(|()| Malformed::Argument)?
            else {
                return Ok(Progress::Incomplete);
            };
            let length = length.filter(|length| *length <= bounds.argument).ok_or(Malformed::Argument)?;
            let end = start + length;
            if end > bounds.request {
                return Err(Malformed::Request);
            }
            let Some(line_end) = buffer.get(end..end + 2) else { return Ok(Progress::Incomplete) };
            if line_end != b"\r\n" {
                return Err(Malformed::End);
            }
            self.arguments.push(start..end);
            self.at = end + 2;
        }
        Ok(Progress::Complete(self.at))
    }

    /// Words on a line, as people type them and load generators send them, as the request that they stand for.
    ///
    /// # Errors
    /// When quotes do not end.
    pub fn of_line(line: &[u8]) -> Result<Vec<u8>, Malformed> {
        let words = words(line)?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut request = BytesMut::new();
        Self::write(&words, &mut request);
        Ok(request.to_vec())
    }

    /// Writes a request of these words.
    pub fn write(words: &[&[u8]], out: &mut BytesMut) {
        crate::rewrite::length(out, b'*', words.len());
        for word in words {
            crate::rewrite::length(out, b'$', word.len());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// For the next one.
    pub fn clear(&mut self) {
        self.arguments.clear();
        (self.count, self.at) = (0, 0);
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.arguments.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.arguments.is_empty()
    }

    /// The arguments, in the buffer that they were read from.
    pub fn arguments<'a>(&'a self, buffer: &'a [u8]) -> impl ExactSizeIterator<Item = &'a [u8]> + 'a {
        self.arguments.iter().map(|range| buffer.get(range.clone()).unwrap_or_default())
    }

    /// One of them; nothing where there is none.
    #[must_use]
    pub fn argument<'a>(&self, buffer: &'a [u8], index: usize) -> Option<&'a [u8]> {
        buffer.get(self.arguments.get(index)?.clone())
    }

    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        self.arguments.get(index).cloned().unwrap_or_default()
    }

    /// All of it after the first line.
    pub(crate) fn body(&self) -> Range<usize> {
        let first = self.arguments.first().map_or(0, header_start);
        first..self.at
    }
}

/// Where the `$` of an argument stands.
pub(crate) fn header_start(argument: &Range<usize>) -> usize {
    argument.start.saturating_sub(3 + digits(argument.len()))
}

const fn digits(number: usize) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}

/// A length and where what follows it begins; `None` in it is `-1`. Only as Redis itself writes numbers: whatever else it
/// may take for one is no matter.
fn length(buffer: &[u8], at: usize, bounds: &Bounds) -> Result<Option<(Option<usize>, usize)>, ()> {
    let rest = buffer.get(at..).unwrap_or_default();
    let Some(end) = rest.iter().take(24).position(|byte| *byte == b'\r') else {
        return if rest.len() >= 24.min(bounds.line) { Err(()) } else { Ok(None) };
    };
    match rest.get(end + 1) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(()),
    }
    let text = rest.get(..end).unwrap_or_default();
    let after = at + end + 2;
    if text == b"-1" {
        return Ok(Some((None, after)));
    }
    number(text).map(|length| Some((Some(length), after))).ok_or(())
}

/// A number as Redis writes it: no sign, no zeros before it.
pub(crate) fn number(text: &[u8]) -> Option<usize> {
    let is_plain =
        !text.is_empty() && text.iter().all(u8::is_ascii_digit) && (text == b"0" || text[0] != b'0');
    std::str::from_utf8(text).ok().filter(|_| is_plain)?.parse().ok()
}

fn line(buffer: &[u8], bounds: &Bounds) -> Result<Progress, Malformed> {
    let end = buffer.iter().take(bounds.line).position(|byte| *byte == b'\n');
    match end {
        None if buffer.len() >= bounds.line => Err(Malformed::Line),
        None => Ok(Progress::Incomplete),
        Some(end) if buffer[..end].iter().all(u8::is_ascii_whitespace) => Ok(Progress::Nothing(end + 1)),
        Some(end) => Ok(Progress::Line(end + 1)),
    }
}

/// Words between spaces, in double quotes with escapes or in single ones.
fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        let Some(first) = rest.first() else { return Ok(words) };
        let (word, after) = match first {
            quote @ (b'"' | b'\'') => quoted(&rest[1..], *quote)?,
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                if rest[..end].iter().any(|byte| b"\"'".contains(byte)) {
                    return Err(Malformed::Quotes);
                }
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        if after.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err(Malformed::Quotes);
        }
        words.push(word);
        rest = after;
    }
}

fn quoted(text: &[u8], quote: u8) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let mut word = Vec::new();
    let mut at = 0;
    loop {
        match (*text.get(at).ok_or(Malformed::Quotes)?, text.get(at + 1)) {
            (byte, _) if byte == quote => return Ok((word, &text[at + 1..])),
            (b'\\', Some(b'\'')) if quote == b'\'' => {
                word.push(b'\'');
                at += 2;
            }
            (b'\\', Some(escaped)) if quote == b'"' => {
                let hexadecimal = text.get(at + 2..at + 4).filter(|_| *escaped == b'x');
                let byte = hexadecimal
                    .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
                word.push(byte.unwrap_or(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                }));
                at += if byte.is_some() { 4 } else { 2 };
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
