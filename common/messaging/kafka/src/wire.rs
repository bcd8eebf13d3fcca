//! The headers of our records, and reading a record.
//!
//! | header | value |
//! |---|---|
//! | `oxwhisk-message` | 16 bytes: the producer's random number and its how-manieth message, big-endian |
//! | `oxwhisk-part` | 8 bytes, only with chunks: index and count, big-endian |
//! | `oxwhisk-attempt` | decimal text, from the second attempt on |
//! | `oxwhisk-transient` | `1` on marks: no note, which nobody withdraws |
//!
//! The key is the message's. A record without a payload is a tombstone: it withdraws the notes with its key.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use crate::chunk::{Chunk, MessageId, Part};

pub(crate) const MESSAGE: &str = "oxwhisk-message";
pub(crate) const PART: &str = "oxwhisk-part";
pub(crate) const ATTEMPT: &str = "oxwhisk-attempt";
pub(crate) const TRANSIENT: &str = "oxwhisk-transient";

/// One record as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) offset: u64,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) transient: bool,
    /// Kafka's time of it, in milliseconds since the epoch.
    pub(crate) at: i64,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Chunk(Chunk),
    Tombstone,
}

impl Record {
    pub(crate) fn read(message: &BorrowedMessage<'_>) -> Self {
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let (mut id, mut part, mut attempt, mut transient) = (None, Part::WHOLE, 1, false);
        for header in message.headers().iter().flat_map(|headers| headers.iter()) {
            let Some(value) = header.value else { continue };
            match header.key {
                MESSAGE => id = MessageId::from_bytes(value),
                TRANSIENT => transient = true,
                PART => part = Part::from_bytes(value).unwrap_or(Part::WHOLE),
                ATTEMPT => {
                    attempt = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
                }
                _ => {}
            }
        }
        let content = match message.payload() {
            None => Content::Tombstone,
            Some(payload) => {
                Content::Chunk(Chunk { offset, message: id, part, payload: Bytes::copy_from_slice(payload) })
            }
        };
        let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
        let at = message.timestamp().to_millis().unwrap_or(0);
        Self { offset, key, attempt, transient, at, content }
    }
}
