//! The suite that every bus passes.

use oxwhisk_kafka::KafkaConfig;
use oxwhisk_messaging::conformance::{Bounds, bus};

use crate::fixture::{self, variable};

const BOUNDS: Bounds = Bounds { max_message: 10_000, too_many: None };

async fn conforms(test: &str, change: impl Fn(&mut KafkaConfig)) {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    bus(BOUNDS, async || {
        let mut config = fixture::config(&hosts);
        config.producing.max_message = BOUNDS.max_message;
        change(&mut config);
        fixture::bus(&config).await
    })
    .await;
}

#[tokio::test]
async fn kafka() {
    conforms("kafka", |_| {}).await;
}

/// Most messages of the suite are larger than a chunk.
#[tokio::test]
async fn kafka_in_chunks() {
    conforms("kafka_in_chunks", |config| config.producing.chunk = 5).await;
}
