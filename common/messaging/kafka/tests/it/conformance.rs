//! The suite that every bus passes.

use oxwhisk_messaging::conformance::{Bounds, bus};

use crate::fixture::{self, variable};

const BOUNDS: Bounds = Bounds { max_message: 10_000, too_many: None };

#[tokio::test]
async fn kafka() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "kafka conforms") else { return };
    bus(BOUNDS, async || {
        let mut config = fixture::config(&hosts);
        config.producing.max_message = BOUNDS.max_message;
        // The largest messages travel in chunks.
        config.producing.chunk = 2_000;
        fixture::bus(&config).await
    })
    .await;
}
