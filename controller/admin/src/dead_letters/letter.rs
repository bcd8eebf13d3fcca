//! One letter. Pure.

use bytes::Bytes;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_messaging::Delivery;
use oxwhisk_proto::admin::v1::DeadLetter;

pub(super) fn summary(delivery: &Delivery) -> DeadLetter {
    let empty = DeadLetter {
        activation_id: delivery.key.clone(),
        size: delivery.payload.len() as u64,
        ..DeadLetter::default()
    };
    match serde_json::from_slice::<ActivationMessage>(&delivery.payload) {
        Ok(message) => DeadLetter {
            namespace: message.namespace.to_string(),
            action: message.action.to_string(),
            received_ms: message.received,
            ..empty
        },
        Err(error) => DeadLetter { fault: error.to_string(), ..empty },
    }
}

/// The message as it is queued again: with all its attempts before it. `None` if it cannot be read.
pub(super) fn again(payload: &[u8]) -> Option<Bytes> {
    let mut message: ActivationMessage = serde_json::from_slice(payload).ok()?;
    message.attempt = 1;
    serde_json::to_vec(&message).ok().map(Bytes::from)
}
