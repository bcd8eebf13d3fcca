//! Dead letters, and queueing them again where they came from.
//!
//! Everything about one activation travels in one lane. So a letter says which that was, and whoever queues it again
//! appends it there: an owner of another lane would know nothing of the marks that the activation has left.

use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_controller_admin::Redrive;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_messaging::{BusError, Delivery, LaneBus, Message, Partition, Topic};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Letter<'a> {
    #[serde(flatten)]
    message: &'a ActivationMessage,
    lane: u32,
}

#[derive(Deserialize)]
struct Origin {
    lane: Option<u32>,
}

/// The payload of a dead letter: the message, with the lane it was in.
///
/// # Errors
/// When the message cannot be written.
pub fn encode(message: &ActivationMessage, lane: Partition) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Letter { message, lane: lane.0 })
}

/// The lane that a letter came from. `None`: it does not say.
#[must_use]
pub fn lane_of(payload: &[u8]) -> Option<Partition> {
    let origin: Origin = serde_json::from_slice(payload).ok()?;
    origin.lane.map(Partition)
}

/// [`Redrive`] on a bus with lanes.
#[derive(Debug)]
pub struct LaneRedrive(Arc<dyn LaneBus>);

impl LaneRedrive {
    #[must_use]
    pub fn new(bus: Arc<dyn LaneBus>) -> Self {
        Self(bus)
    }
}

#[async_trait]
impl Redrive for LaneRedrive {
    async fn redrive(&self, letter: &Delivery, message: Message) -> Result<(), BusError> {
        let lane = match lane_of(&letter.payload) {
            Some(lane) => lane,
            // Of a release that did not say it.
            None => self.0.choose_lane(message.route.as_deref().unwrap_or(&message.key)).await?,
        };
        self.0.append(Topic::Activations, lane, message).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"transaction":"t","activationId":"0123456789abcdef0123456789abcdef",
        "action":{"path":"guest","name":"a"},"subject":"guest","namespace":"guest","namespaceUuid":"u",
        "arguments":{"x":  1.50},"received":5,"attempt":3}"#;

    #[test]
    fn a_letter_is_a_message_that_knows_its_lane() {
        let message: ActivationMessage = serde_json::from_str(MESSAGE).expect("a message");
        let letter = encode(&message, Partition(7)).expect("written");
        assert_eq!(lane_of(&letter), Some(Partition(7)));
        let again: ActivationMessage = serde_json::from_slice(&letter).expect("a message");
        assert_eq!((again.attempt, again.arguments.get()), (3, r#"{"x":  1.50}"#));
        assert_eq!(lane_of(MESSAGE.as_bytes()), None);
        assert_eq!(lane_of(b"garbage"), None);
    }
}
