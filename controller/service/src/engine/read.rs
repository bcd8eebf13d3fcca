//! What lies in lanes, read.

use std::sync::Arc;

use oxwhisk_core::message::ActivationMessage;
use oxwhisk_dispatch::{Lane, Message, Position, Source};
use oxwhisk_messaging::LaneMessage;

use super::inflight::Entry;

/// A message that could be read.
pub(super) struct Read {
    pub(super) payload: Arc<ActivationMessage>,
    pub(super) message: Message,
    pub(super) position: Position,
    pub(super) bytes: usize,
    pub(super) again: bool,
}

pub(super) fn read_message(message: &LaneMessage, source: Source) -> Result<Read, String> {
    let payload = message.payload.as_ref().ok_or("it has no content")?;
    let read: ActivationMessage = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let (lane, bytes) = (Lane(message.lane.0), payload.len());
    Ok(Read {
        message: Message {
            id: read.activation_id,
            lane,
            delivery: read.delivery,
            attempt: message.attempt.max(read.attempt),
        },
        position: Position { source, lane, offset: message.offset.cast_signed() },
        payload: Arc::new(read),
        bytes,
        again: message.again,
    })
}

/// `None` in the pair is a withdrawal.
pub(super) fn decode_in_flight(entry: LaneMessage) -> Option<(LaneMessage, Option<Entry<'static>>)> {
    let Some(payload) = &entry.payload else { return Some((entry, None)) };
    match Entry::decode(payload) {
        Ok(read) => Some((entry, Some(read))),
        Err(error) => {
            tracing::error!(key = entry.key, %error, "unreadable entry of 'inflight', passed over");
            None
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use oxwhisk_core::id::ActivationId;
    use oxwhisk_messaging::Partition;

    use super::*;

    pub(crate) fn message(namespace: &str) -> ActivationMessage {
        let id = ActivationId::generate();
        let json = format!(
            r#"{{"transaction":"t","activationId":"{id}","action":{{"path":"{namespace}","name":"a"}},"subject":"s",
            "namespace":"{namespace}","namespaceUuid":"u","arguments":{{"n": 1.50}},"received":1,"attempt":1}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn in_lane(payload: Option<&[u8]>, attempt: u32) -> LaneMessage {
        let payload = payload.map(bytes::Bytes::copy_from_slice);
        LaneMessage {
            lane: Partition(3),
            offset: 7,
            key: "k".to_owned(),
            attempt,
            again: true,
            at: 1,
            payload,
        }
    }

    #[test]
    fn the_attempt_is_that_of_the_header_and_the_lane_that_of_the_message() {
        let payload = serde_json::to_vec(&message("guest")).unwrap();
        let read = read_message(&in_lane(Some(&payload), 2), Source::Parked).unwrap();
        assert_eq!((read.message.attempt, read.message.lane, read.position.offset), (2, Lane(3), 7));
        assert!(read_message(&in_lane(None, 1), Source::Queue).is_err());
        assert!(read_message(&in_lane(Some(b"{}"), 1), Source::Queue).is_err());
    }
}
