//! The first contact: topics, and a Kafka that is not there.

use std::time::Duration;

use oxwhisk_kafka::{KafkaBus, KafkaConfig, Role, StartError};
use oxwhisk_messaging::{Bus, BusError, BusStatus, Message, Topic};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tokio_util::sync::CancellationToken;

use crate::fixture::{DEADLINE, bus, config, variable};

async fn ready(config: &KafkaConfig) -> Result<(), StartError> {
    let bus = KafkaBus::new(config.clone()).unwrap();
    tokio::time::timeout(DEADLINE, bus.ready(CancellationToken::new())).await.expect("an answer in time")
}

#[tokio::test]
async fn topics_are_created_and_pass_the_check_at_the_next_start() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "topics_are_created") else { return };
    let config = KafkaConfig { topics: Default::default(), ..config(&hosts) };
    ready(&config).await.unwrap();
    ready(&config).await.unwrap();
    let bus = KafkaBus::new(config).unwrap();
    assert_eq!(bus.depth(Topic::Activations).await.unwrap(), 0);
}

#[tokio::test]
async fn a_topic_that_cannot_keep_what_is_promised_is_named() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "a_topic_that_cannot_keep_what_is_promised") else {
        return;
    };
    let mut config = config(&hosts);
    config.topics.retention = Duration::from_secs(3600);
    ready(&config).await.unwrap();
    config.topics.retention = Duration::from_secs(7 * 24 * 3600);
    config.topics.activation_partitions = 64;
    let error = ready(&config).await.unwrap_err().to_string();
    let prefix = &config.prefix;
    for said in [
        format!("the topic '{prefix}activations' has partitions 1, wanted is 64 or more"),
        format!("the topic '{prefix}completed' has retention.ms 3600000, wanted is 604800000 or more, or -1"),
    ] {
        assert!(error.contains(&said), "{error}");
    }
}

#[tokio::test]
async fn topics_of_lanes_must_have_as_many_partitions_as_each_other() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "topics_of_lanes_must_have_as_many_partitions") else {
        return;
    };
    let config = config(&hosts);
    let prefix = &config.prefix;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &hosts).create().unwrap();
    for (name, partitions) in [("activations", 2), ("inflight", 3)] {
        let name = format!("{prefix}{name}");
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let made = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }
    let error = ready(&config).await.unwrap_err().to_string();
    let expected = format!(
        "the topic '{prefix}inflight' has partitions 3, wanted is 2, as many as '{prefix}activations' has"
    );
    assert!(error.contains(&expected), "{error}");
    assert!(!error.contains("activations.parked"), "it was created with two: {error}");
}

#[tokio::test]
async fn an_invoker_waits_for_topics_that_are_not_there() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "an_invoker_waits_for_topics") else { return };
    let controller = config(&hosts);
    let invoker = KafkaConfig { role: Role::Invoker, instance: "invoker0".to_owned(), ..controller.clone() };
    let waiting = KafkaBus::new(invoker).unwrap();
    let mut status = waiting.status();
    let (began, created) = tokio::join!(waiting.ready(CancellationToken::new()), async {
        let is_missing =
            |status: &BusStatus| matches!(status, BusStatus::Away(why) if why.contains("is not there"));
        status.wait_for(is_missing).await.unwrap();
        bus(&controller).await
    });
    began.unwrap();
    drop(created);
    assert_eq!(*waiting.status().borrow(), BusStatus::Available);
}

#[tokio::test]
async fn a_kafka_that_is_away_is_waited_for_and_nothing_hangs() {
    // Nobody listens there, and nobody needs a Kafka for this.
    let mut config = config("127.0.0.1:1");
    config.request_timeout = Duration::from_millis(200);
    config.producing.timeout = Duration::from_millis(300);
    let bus = KafkaBus::new(config).unwrap();
    assert!(matches!(*bus.status().borrow(), BusStatus::Away(_)));
    let stop = CancellationToken::new();
    let mut status = bus.status();
    let (ended, ()) = tokio::join!(bus.ready(stop.clone()), async {
        status
            .wait_for(|status| matches!(status, BusStatus::Away(why) if why.contains("list topics")))
            .await
            .unwrap();
        stop.cancel();
    });
    assert!(matches!(ended, Err(StartError::Stopped)), "{ended:?}");
    let produced = bus.produce(Topic::Activations, Message::new("a", "x")).await;
    assert!(matches!(produced, Err(BusError::Unavailable(_) | BusError::TimedOut { .. })), "{produced:?}");
    assert!(bus.depth(Topic::Activations).await.is_err());
    let mut subscription = bus.subscribe(Topic::Completed).await.unwrap();
    let (next, ()) = tokio::join!(subscription.next(1), bus.close());
    assert!(matches!(next, Err(BusError::Closed)), "{next:?}");
}
