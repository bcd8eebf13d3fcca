//! A record on its way from an invoker to the record writer.

use std::num::{NonZeroU64, NonZeroU128};

use oxwhisk_core::trace::{SpanId, TraceContext, TraceId};

use crate::names::RecordKind;
use crate::record::RecordOrigin;

/// First byte: an envelope of another form is refused.
const FORMAT: u8 = 1;
/// The same with the span of a trace that is recorded: its numbers come before the ticket.
const TRACED: u8 = 2;

/// What lies on `completed`: where the record comes from, the ticket that entitles to it, and the record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEnvelope<'a> {
    pub origin: RecordOrigin,
    /// The span in which it was put there. One that is not recorded does not come out again.
    pub trace: Option<TraceContext>,
    /// As `oxwhisk-ticket` has it; at most 64 KiB.
    pub ticket: &'a [u8],
    /// JSON.
    pub document: &'a str,
}

/// Bytes that are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEnvelope;

impl std::fmt::Display for NotAnEnvelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is not a record in an envelope")
    }
}

impl std::error::Error for NotAnEnvelope {}

impl<'a> RecordEnvelope<'a> {
    /// # Errors
    /// [`NotAnEnvelope`] if the ticket is too long for one.
    pub fn encode(&self) -> Result<Vec<u8>, NotAnEnvelope> {
        let length = u16::try_from(self.ticket.len()).map_err(|_| NotAnEnvelope)?;
        let trace = self.trace.filter(|trace| trace.sampled);
        let mut bytes = Vec::with_capacity(40 + self.ticket.len() + self.document.len());
        bytes.push(if trace.is_some() { TRACED } else { FORMAT });
        bytes.push(self.origin.kind.code());
        bytes.extend(self.origin.run.to_be_bytes());
        bytes.extend(self.origin.version.to_be_bytes());
        if let Some(TraceContext { trace, span, .. }) = trace {
            bytes.extend(trace.0.get().to_be_bytes());
            bytes.extend(span.0.get().to_be_bytes());
        }
        bytes.extend(length.to_be_bytes());
        bytes.extend(self.ticket);
        bytes.extend(self.document.as_bytes());
        Ok(bytes)
    }

    /// # Errors
    /// [`NotAnEnvelope`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, NotAnEnvelope> {
        let ([format, kind], rest) = bytes.split_first_chunk().ok_or(NotAnEnvelope)?;
        let (run, rest) = rest.split_first_chunk().ok_or(NotAnEnvelope)?;
        let (version, rest) = rest.split_first_chunk().ok_or(NotAnEnvelope)?;
        let (trace, rest) = match *format {
            FORMAT => (None, rest),
            TRACED => trace(rest).ok_or(NotAnEnvelope)?,
            _ => return Err(NotAnEnvelope),
        };
        let (length, rest) = rest.split_first_chunk().ok_or(NotAnEnvelope)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (ticket, document) = rest.split_at_checked(length).ok_or(NotAnEnvelope)?;
        let kind = RecordKind::from_code(*kind).ok_or(NotAnEnvelope)?;
        let (run, version) = (u64::from_be_bytes(*run), u32::from_be_bytes(*version));
        let document = std::str::from_utf8(document).map_err(|_| NotAnEnvelope)?;
        Ok(Self { origin: RecordOrigin { kind, run, version }, trace, ticket, document })
    }
}

/// The span, and what is behind it.
fn trace(bytes: &[u8]) -> Option<(Option<TraceContext>, &[u8])> {
    let (trace, rest) = bytes.split_first_chunk()?;
    let (span, rest) = rest.split_first_chunk()?;
    let trace = TraceId(NonZeroU128::new(u128::from_be_bytes(*trace))?);
    let span = SpanId(NonZeroU64::new(u64::from_be_bytes(*span))?);
    Some((Some(TraceContext { trace, span, sampled: true }), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> RecordEnvelope<'static> {
        let origin = RecordOrigin { kind: RecordKind::Lost, run: 7, version: 2 };
        RecordEnvelope { origin, trace: None, ticket: b"ticket", document: r#"{"a":"é"}"# }
    }

    fn traced(flags: &str) -> RecordEnvelope<'static> {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        RecordEnvelope { trace: Some(TraceContext::parse(&text).unwrap()), ..envelope() }
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let bytes = envelope().encode().unwrap();
        assert_eq!(RecordEnvelope::decode(&bytes), Ok(envelope()));
        let bytes = traced("01").encode().unwrap();
        assert_eq!(RecordEnvelope::decode(&bytes), Ok(traced("01")));
        // Nobody would record it: then it takes no room, and is of the form that earlier versions read.
        assert_eq!(traced("00").encode(), envelope().encode());
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_none() {
        for envelope in [envelope(), traced("01")] {
            let bytes = envelope.encode().unwrap();
            let head = bytes.len() - envelope.document.len();
            assert!((0..head).all(|length| RecordEnvelope::decode(&bytes[..length]).is_err()));
        }
        let bytes = envelope().encode().unwrap();
        for (at, value) in [(0, 3), (1, 3)] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert_eq!(RecordEnvelope::decode(&bytes), Err(NotAnEnvelope));
        }
        let long = vec![0; 70_000];
        assert_eq!(RecordEnvelope { ticket: &long, ..envelope() }.encode(), Err(NotAnEnvelope));
    }
}
