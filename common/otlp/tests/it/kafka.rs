//! A Kafka to test with, if there is one.

use std::sync::Arc;

use oxwhisk_kafka::config::TopicSettings;
use oxwhisk_kafka::{KafkaBus, KafkaConfig, Role};
use oxwhisk_messaging::LaneBus;
use tokio_util::sync::CancellationToken;

use crate::platform::DEADLINE;

/// `None`, and said so, where the environment names none.
#[expect(clippy::print_stdout, reason = "shown with the test that is skipped")]
pub(crate) async fn bus(test: &str) -> Option<Arc<dyn LaneBus>> {
    let Ok(hosts) = std::env::var("OXWHISK_TEST_KAFKA") else {
        let why = std::env::var("OXWHISK_NO_KAFKA")
            .unwrap_or_else(|_| "run through scripts/with-services.sh kafka -- ...".to_owned());
        println!("skipped: {test}: {why}");
        return None;
    };
    let prefix = format!("otlp{}.", std::process::id());
    let mut config = KafkaConfig::new(&hosts, "controller0", Role::Controller);
    config.events_prefix.clone_from(&prefix);
    config.prefix = prefix;
    config.topics = TopicSettings { activation_partitions: 1, partitions: 1, ..TopicSettings::default() };
    let bus = KafkaBus::new(config).expect("a configuration");
    let ready = tokio::time::timeout(DEADLINE, bus.ready(CancellationToken::new()));
    ready.await.expect("Kafka in time").expect("Kafka");
    Some(Arc::new(bus))
}
