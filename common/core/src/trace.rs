//! Where a piece of work belongs in a trace: W3C Trace Context, the header `traceparent`.
//!
//! Pure values: who starts spans and where they go is somebody else's. `tracestate` is not carried, which the standard
//! lets a participant do.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// The header, and what every carrier of it is called.
pub const TRACEPARENT: &str = "traceparent";

/// Of the whole trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub NonZeroU128);

/// Of one span in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub NonZeroU64);

/// A span, from the side of what happens within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    pub trace: TraceId,
    pub span: SpanId,
    /// Whether its spans are recorded.
    pub sampled: bool,
}

/// Characters of version 00: `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;
/// The flag of those that are recorded; others have no meaning yet.
const SAMPLED: u8 = 1;

impl TraceContext {
    /// Reads the value of a `traceparent`. `None` for what is none, which starts a new trace.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let separated = bytes.len() >= LENGTH && [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
        if !separated {
            return None;
        }
        match hex(&bytes[..2])? {
            0 if bytes.len() != LENGTH => return None,
            0xff => return None,
            // A later version may say more behind what is known.
            _ if bytes.get(LENGTH).is_some_and(|next| *next != b'-') => return None,
            _ => {}
        }
        let trace = TraceId(NonZeroU128::new(hex(&bytes[3..35])?)?);
        let span = u64::try_from(hex(&bytes[36..52])?).ok()?;
        let span = SpanId(NonZeroU64::new(span)?);
        let sampled = hex(&bytes[53..LENGTH])? & u128::from(SAMPLED) != 0;
        Some(Self { trace, span, sampled })
    }
}

/// Lower-case digits, as the standard has it.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// The value of a `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.sampled { SAMPLED } else { 0 };
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_header_reads_back() {
        for (flags, sampled) in [("00", false), ("01", true)] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context = TraceContext::parse(&text).unwrap();
            assert_eq!(context.sampled, sampled);
            assert_eq!(
                (context.trace.to_string().as_str(), context.span.to_string().as_str()),
                (TRACE, SPAN)
            );
            assert_eq!(context.to_string(), text);
        }
    }

    #[test]
    fn flags_and_versions_to_come_are_read() {
        assert!(TraceContext::parse(&format!("00-{TRACE}-{SPAN}-ff")).unwrap().sampled);
        assert!(!TraceContext::parse(&format!("00-{TRACE}-{SPAN}-02")).unwrap().sampled);
        let later = TraceContext::parse(&format!("cc-{TRACE}-{SPAN}-01-more")).unwrap();
        assert_eq!(later.to_string(), format!("00-{TRACE}-{SPAN}-01"));
    }

    #[test]
    fn what_is_none_is_not_read() {
        for text in [
            String::new(),
            "x".repeat(LENGTH),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{}é-01", &SPAN[..14]),
        ] {
            assert_eq!(TraceContext::parse(&text), None, "{text}");
        }
    }
}
