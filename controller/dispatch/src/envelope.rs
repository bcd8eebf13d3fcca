//! A record on its way from an invoker to the record writer.

use crate::names::RecordKind;
use crate::record::RecordOrigin;

/// First byte: an envelope of another form is refused.
const FORMAT: u8 = 1;

/// What lies on `completed`: where the record comes from, the ticket that entitles to it, and the record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEnvelope<'a> {
    pub origin: RecordOrigin,
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
        let mut bytes = Vec::with_capacity(16 + self.ticket.len() + self.document.len());
        bytes.push(FORMAT);
        bytes.push(self.origin.kind.code());
        bytes.extend(self.origin.run.to_be_bytes());
        bytes.extend(self.origin.version.to_be_bytes());
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
        let (length, rest) = rest.split_first_chunk().ok_or(NotAnEnvelope)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (ticket, document) = rest.split_at_checked(length).ok_or(NotAnEnvelope)?;
        if *format != FORMAT {
            return Err(NotAnEnvelope);
        }
        let kind = RecordKind::from_code(*kind).ok_or(NotAnEnvelope)?;
        let (run, version) = (u64::from_be_bytes(*run), u32::from_be_bytes(*version));
        let document = std::str::from_utf8(document).map_err(|_| NotAnEnvelope)?;
        Ok(Self { origin: RecordOrigin { kind, run, version }, ticket, document })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> RecordEnvelope<'static> {
        let origin = RecordOrigin { kind: RecordKind::Lost, run: 7, version: 2 };
        RecordEnvelope { origin, ticket: b"ticket", document: r#"{"a":"é"}"# }
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let bytes = envelope().encode().unwrap();
        assert_eq!(RecordEnvelope::decode(&bytes), Ok(envelope()));
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_none() {
        let bytes = envelope().encode().unwrap();
        let head = bytes.len() - envelope().document.len();
        assert!((0..head).all(|length| RecordEnvelope::decode(&bytes[..length]).is_err()));
        for (at, value) in [(0, 2), (1, 3)] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert_eq!(RecordEnvelope::decode(&bytes), Err(NotAnEnvelope));
        }
        let long = vec![0; 70_000];
        assert_eq!(RecordEnvelope { ticket: &long, ..envelope() }.encode(), Err(NotAnEnvelope));
    }
}
