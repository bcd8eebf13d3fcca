//! Telling other controllers of changes.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::Announcer as _;
use oxwhisk_controller_service::caches::Announcements;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
use oxwhisk_messaging::{Bus, Channel, Heard, Listener};
use tokio_util::sync::CancellationToken;

fn entity(name: &str) -> FullyQualifiedName {
    FullyQualifiedName::parse(name, &EntityName::new("guest").expect("a name")).expect("a name")
}

async fn heard(listener: &mut dyn Listener) -> String {
    let next = tokio::time::timeout(Duration::from_secs(10), listener.next());
    match next.await.expect("in time").expect("heard") {
        Heard::Message { key, payload } => format!("{key} {}", String::from_utf8_lossy(&payload)),
        Heard::Missed => panic!("nothing was missed"),
    }
}

#[tokio::test]
async fn a_change_is_told_soon_and_what_is_left_when_it_stops() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(MemoryOptions::default()));
    let mut listener =
        bus.listen(Channel::CacheInvalidation, Duration::ZERO).await.expect("it is listened to");
    let announcements = Arc::new(Announcements::new("controller7"));
    let stop = CancellationToken::new();
    let telling = tokio::spawn(Arc::clone(&announcements).tell(Arc::clone(&bus), stop.clone()));
    announcements.entity_changed(&entity("guest/hello"));
    let told = r#"guest/hello {"key":{"mainId":"guest/hello"},"instanceId":"controller7"}"#;
    assert_eq!(heard(listener.as_mut()).await, told);
    stop.cancel();
    telling.await.expect("it ends");

    announcements.entity_changed(&entity("guest/late"));
    Arc::clone(&announcements).tell(Arc::clone(&bus), stop).await;
    assert!(heard(listener.as_mut()).await.starts_with("guest/late "));
}

#[tokio::test]
async fn a_bus_that_is_closed_ends_it() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(MemoryOptions::default()));
    let announcements = Arc::new(Announcements::new("controller7"));
    announcements.entity_changed(&entity("guest/hello"));
    bus.close().await;
    let told = announcements.tell(bus, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("nothing can be told any more");
}
