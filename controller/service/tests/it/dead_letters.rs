//! Queueing dead letters again, in the lanes that they came from.

use std::sync::Arc;

use bytes::Bytes;
use oxwhisk_controller_admin::Redrive as _;
use oxwhisk_controller_service::dead_letters::{self, LaneRedrive};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_messaging::memory::{MemoryLanes, MemoryOptions};
use oxwhisk_messaging::{
    Delivery, DeliveryId, LaneBus, LaneEvent, LaneMessage, Message, Partition, Topic, Wanted,
};

const MESSAGE: &str = r#"{"transaction":"t","activationId":"0123456789abcdef0123456789abcdef",
    "action":{"path":"guest","name":"a"},"subject":"guest","namespace":"guest","namespaceUuid":"u",
    "arguments":{},"received":5,"attempt":3}"#;

fn letter(payload: Vec<u8>) -> Delivery {
    Delivery {
        id: DeliveryId::of_offset(0),
        key: "0123456789abcdef0123456789abcdef".to_owned(),
        attempt: 1,
        again: false,
        payload: Bytes::from(payload),
    }
}

async fn next_message(bus: &dyn LaneBus) -> LaneMessage {
    let mut lanes = bus.subscribe_lanes().await.expect("subscribed");
    loop {
        let wanted = Wanted { activations: true, parked: true };
        let event = tokio::time::timeout(std::time::Duration::from_secs(10), lanes.next(wanted, 10));
        if let LaneEvent::Messages { topic: Topic::Activations, mut messages } =
            event.await.expect("in time").expect("an event")
        {
            return messages.remove(0);
        }
    }
}

#[tokio::test]
async fn a_letter_goes_back_to_its_lane() {
    for lane in 0..4 {
        let lanes = MemoryLanes::new(4, MemoryOptions::default());
        let bus = lanes.member();
        let message: ActivationMessage = serde_json::from_str(MESSAGE).expect("a message");
        let letter = letter(dead_letters::encode(&message, Partition(lane)).expect("written"));
        let again = Message::new(letter.key.clone(), MESSAGE).with_route("guest");
        LaneRedrive::new(Arc::clone(&bus) as _).redrive(&letter, again).await.expect("durable");
        let found = next_message(bus.as_ref()).await;
        assert_eq!(
            (found.lane, found.key.as_str(), found.attempt),
            (Partition(lane), letter.key.as_str(), 1)
        );
    }
}

#[tokio::test]
async fn one_that_does_not_say_its_lane_goes_where_its_namespace_does() {
    let lanes = MemoryLanes::new(4, MemoryOptions::default());
    let bus = lanes.member();
    let letter = letter(MESSAGE.as_bytes().to_vec());
    let again = Message::new(letter.key.clone(), MESSAGE).with_route("guest");
    LaneRedrive::new(Arc::clone(&bus) as _).redrive(&letter, again).await.expect("durable");
    assert_eq!(next_message(bus.as_ref()).await.key, letter.key);
}
