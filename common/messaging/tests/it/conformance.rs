//! Every bus passes the same suite.

use std::time::Duration;

use oxwhisk_messaging::conformance::{Bounds, bus};
use oxwhisk_messaging::embedded::{EmbeddedBus, EmbeddedOptions};
use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};

const BOUNDS: Bounds = Bounds { max_message: 1000, too_many: Some(1000) };

#[tokio::test]
async fn in_memory() {
    let options = MemoryOptions { max_message: BOUNDS.max_message, max_depth: 500 };
    bus(BOUNDS, async || MemoryBus::new(options)).await;
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        max_message: BOUNDS.max_message,
        max_depth: 500,
        spool_bytes: 500 * BOUNDS.max_message,
        completion_linger: Duration::from_millis(1),
        ..EmbeddedOptions::default()
    }
}

async fn embedded(options: EmbeddedOptions) {
    let mut directories = Vec::new();
    bus(BOUNDS, async || {
        let directory = tempfile::tempdir().unwrap();
        let bus = EmbeddedBus::open(directory.path(), &options).unwrap();
        directories.push(directory);
        bus
    })
    .await;
}

#[tokio::test]
async fn embedded_in_memory_of_plenty() {
    embedded(options()).await;
}

/// Messages are read from disk in pages of three, and spool files hold a few records each.
#[tokio::test]
async fn embedded_with_next_to_no_memory() {
    embedded(EmbeddedOptions { pending_messages: 3, segment_bytes: 200, ..options() }).await;
}
