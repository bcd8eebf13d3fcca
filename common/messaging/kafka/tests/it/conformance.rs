//! The suite that every bus passes. Most of its time is waiting, so queues are tested side by side.

use oxwhisk_kafka::KafkaBus;
use oxwhisk_messaging::Topic;
use oxwhisk_messaging::conformance::{Bounds, queue, whole};

use crate::fixture::{self, variable};

const BOUNDS: Bounds = Bounds { max_message: 10_000, too_many: None };

async fn bus(hosts: &str) -> KafkaBus {
    let mut config = fixture::config(hosts);
    config.producing.max_message = BOUNDS.max_message;
    // The largest messages travel in chunks.
    config.producing.chunk = 2_000;
    fixture::bus(&config).await
}

async fn conforms(topic: Topic) {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "the suite of all buses on Kafka") else { return };
    queue(topic, BOUNDS, async || bus(&hosts).await).await;
}

#[tokio::test]
async fn completed() {
    conforms(Topic::Completed).await;
}

#[tokio::test]
async fn dead_letters() {
    conforms(Topic::DeadLetters).await;
}

#[tokio::test]
async fn everything_together() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "the suite of all buses on Kafka") else { return };
    whole(&[Topic::Completed, Topic::DeadLetters], async || bus(&hosts).await).await;
}
