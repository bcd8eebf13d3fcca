//! How what is done beyond the committed offset is written: as bits, or as lengths of runs, whichever is shorter.
//!
//! Offsets are written as distances from the committed one, which is outstanding. Nothing is said of what comes behind
//! the last one done. Text: `1`, the version; `b` or `r`; base64 of the body. Bits: one for each distance, least significant
//! first, 1 for done; the last bit set is the last one done. Runs: lengths as LEB128, outstanding and done in turn,
//! outstanding first, done last.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const VERSION: char = '1';
/// Characters before the body.
const HEAD: usize = 2;
/// Distances that a decoder takes, so that no metadata makes it take all memory. Far beyond what is ever read ahead.
const LONGEST_SPAN: u64 = 1 << 24;

/// What is known of the offsets from the committed one on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beyond {
    /// Distances of those that are not done, below `span`.
    pub(super) outstanding: Vec<u64>,
    /// Distance of the last one done, plus one.
    pub(super) span: u64,
}

/// Bytes of a body whose text has at most `limit` characters.
const fn capacity(limit: usize) -> usize {
    limit.saturating_sub(HEAD) / 4 * 3
}

/// Lengths of runs, outstanding and done in turn, up to the last one done.
fn runs(from: u64, end: u64, outstanding: &BTreeSet<u64>) -> Vec<u64> {
    let mut runs = Vec::new();
    let (mut at, mut length) = (from, 0);
    for offset in outstanding.range(from..end) {
        if *offset > at {
            runs.extend([length, offset - at]);
            length = 0;
        }
        length += 1;
        at = offset + 1;
    }
    if end > at {
        runs.extend([length, end - at]);
    }
    runs
}

fn bits(runs: &[u64], capacity: usize) -> Vec<u8> {
    let mut bits = Vec::new();
    let mut at = 0;
    for pair in runs.chunks_exact(2) {
        at += pair[0];
        for _ in 0..pair[1] {
            let byte = usize::try_from(at / 8).unwrap_or(usize::MAX);
            if byte >= capacity {
                return bits;
            }
            bits.resize(byte + 1, 0);
            bits[byte] |= 1 << (at % 8);
            at += 1;
        }
    }
    bits
}

fn leb128(mut value: u64, into: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return into.push(low);
        }
        into.push(low | 0x80);
    }
}

/// Bytes of a length up to `span`.
const fn leb128_length(span: u64) -> usize {
    let bits = u64::BITS - span.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

/// Empty when nothing is done beyond `committed`. Never longer than `limit`: should neither form fit, what is furthest ahead
/// is left out, and is done once more after a crash.
pub(super) fn encode(committed: u64, end: u64, outstanding: &BTreeSet<u64>, limit: usize) -> String {
    let runs = runs(committed, end, outstanding);
    if runs.is_empty() || runs[0] == 0 {
        return String::new();
    }
    let mut lengths = Vec::new();
    runs.iter().for_each(|length| leb128(*length, &mut lengths));
    let capacity = capacity(limit);
    let span: u64 = runs.iter().sum();
    let (kind, body) = if lengths.len() <= capacity && (lengths.len() as u64) <= span.div_ceil(8) {
        ('r', lengths)
    } else {
        ('b', bits(&runs, capacity))
    };
    if body.is_empty() {
        return String::new();
    }
    let mut text = String::from_iter([VERSION, kind]);
    STANDARD_NO_PAD.encode_string(body, &mut text);
    text
}

pub(super) fn decode(text: &str) -> Result<Beyond, String> {
    if text.is_empty() {
        return Ok(Beyond::default());
    }
    let unknown = || format!("'{}' is no list of what is done", text.escape_debug());
    let rest = text.strip_prefix(VERSION).ok_or_else(unknown)?;
    let (kind, body) = rest.split_at_checked(1).ok_or_else(unknown)?;
    let body = STANDARD_NO_PAD.decode(body).map_err(|_| unknown())?;
    match kind {
        "b" => Ok(decode_bits(&body)),
        "r" => decode_runs(&body).ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

fn decode_bits(body: &[u8]) -> Beyond {
    let is_done = |distance: &u64| body[(distance / 8) as usize] & (1 << (distance % 8)) != 0;
    let span = (0..body.len() as u64 * 8).rev().find(is_done).map_or(0, |last| last + 1);
    Beyond { outstanding: (0..span).filter(|distance| !is_done(distance)).collect(), span }
}

fn decode_runs(body: &[u8]) -> Option<Beyond> {
    let mut beyond = Beyond::default();
    let (mut value, mut shift, mut done) = (0_u64, 0, false);
    for byte in body {
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 != 0 {
            continue;
        }
        let end = beyond.span.checked_add(value).filter(|end| value > 0 && *end <= LONGEST_SPAN)?;
        if !done {
            beyond.outstanding.extend(beyond.span..end);
        }
        beyond.span = end;
        (value, shift, done) = (0, 0, !done);
    }
    // It ends with a length, and that is of those done.
    (shift == 0 && !done).then_some(beyond)
}

/// How many more offsets may follow such that whatever of them and of the outstanding ones is done, in whatever order,
/// fits into `limit`.
pub(super) fn room(span: u64, outstanding: usize, limit: usize) -> usize {
    let capacity = capacity(limit);
    let as_bits = (capacity * 8).saturating_sub(usize::try_from(span).unwrap_or(usize::MAX));
    // Every outstanding one may come to stand alone, between two runs of done ones.
    let ahead = span.saturating_add(capacity as u64);
    let pairs = if ahead > LONGEST_SPAN { 0 } else { capacity / (2 * leb128_length(ahead)) };
    as_bits.max(pairs.saturating_sub(outstanding))
}
