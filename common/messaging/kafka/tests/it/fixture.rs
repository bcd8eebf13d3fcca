//! A Kafka to test with, and buses on it that do not meet each other.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oxwhisk_kafka::config::TopicSettings;
use oxwhisk_kafka::{KafkaBus, KafkaConfig, Role};
use oxwhisk_messaging::{Delivery, Event, Subscription};
use tokio_util::sync::CancellationToken;

/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

#[expect(clippy::print_stdout, reason = "shown with the test that is skipped")]
fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}

/// A variable of the environment that the Kafka for tests sets. Says why the test cannot be done when there is none.
pub(crate) fn variable(name: &str, test: &str) -> Option<String> {
    // What the bus has to say is shown with a test that fails.
    let _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::INFO).try_init();
    let found = std::env::var(name).ok();
    if found.is_none() {
        let why = std::env::var("OXWHISK_NO_KAFKA")
            .unwrap_or_else(|_| "run through scripts/with-services.sh kafka -- ...".to_owned());
        skip(test, &why);
    }
    found
}

/// A prefix that no other test has.
pub(crate) fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}.", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A configuration with a prefix of its own, small topics, and short waits.
pub(crate) fn config(hosts: &str) -> KafkaConfig {
    let prefix = prefix();
    let mut config = KafkaConfig::new(hosts, "controller0", Role::Controller);
    config.events_prefix.clone_from(&prefix);
    config.prefix = prefix;
    config.topics = TopicSettings { activation_partitions: 1, partitions: 1, ..TopicSettings::default() };
    config.consuming.commit_interval = Duration::from_millis(20);
    config.consuming.session_timeout = Duration::from_secs(3);
    config.options.insert("fetch.wait.max.ms".to_owned(), "50".to_owned().into());
    config
}

/// A bus that is ready.
pub(crate) async fn bus(config: &KafkaConfig) -> KafkaBus {
    let bus = KafkaBus::new(config.clone()).unwrap();
    tokio::time::timeout(DEADLINE, bus.ready(CancellationToken::new()))
        .await
        .expect("Kafka in time")
        .unwrap();
    bus
}

pub(crate) async fn next(subscription: &mut dyn Subscription, max: usize) -> Event {
    tokio::time::timeout(DEADLINE, subscription.next(max)).await.expect("an event in time").unwrap()
}

/// The next `count` messages.
pub(crate) async fn take(subscription: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        if let Event::Messages(deliveries) = next(subscription, count - taken.len()).await {
            taken.extend(deliveries);
        }
    }
    taken
}
