//! Every bus passes the same suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_messaging::LaneBus;
use oxwhisk_messaging::conformance::{Bounds, LaneBounds, LaneCluster, bus, lane, members};
use oxwhisk_messaging::embedded::{EmbeddedBus, EmbeddedOptions};
use oxwhisk_messaging::memory::{MemoryBus, MemoryLaneBus, MemoryLanes, MemoryOptions};

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

struct InMemory {
    lanes: MemoryLanes,
    members: Vec<Arc<MemoryLaneBus>>,
}

#[async_trait]
impl LaneCluster for InMemory {
    async fn member(&mut self) -> Arc<dyn LaneBus> {
        let member = self.lanes.member();
        self.members.push(Arc::clone(&member));
        member
    }

    async fn kill(&mut self, member: Arc<dyn LaneBus>) {
        let is_it = |one: &&Arc<MemoryLaneBus>| std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(&member));
        self.members.iter().find(is_it).expect("a member of this cluster").kill();
    }
}

#[tokio::test]
async fn lanes_in_memory() {
    let bounds = LaneBounds { max_message: BOUNDS.max_message };
    let options = MemoryOptions { max_message: bounds.max_message, ..MemoryOptions::default() };
    let make = async |lanes| InMemory { lanes: MemoryLanes::new(lanes, options), members: Vec::new() };
    lane(bounds, make).await;
    members(bounds, make).await;
}
