//! Lanes against a real Kafka.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_kafka::{KafkaBus, KafkaConfig};
use oxwhisk_messaging::conformance::{LaneBounds, LaneCluster, lane, members};
use oxwhisk_messaging::{
    Bus, BusError, Channel, Heard, LaneBus, LaneEvent, LaneMessage, LaneSubscription, Listener, Message,
    Partition, Topic, Wanted,
};

use crate::fixture::{DEADLINE, bus, config, variable};

const BOUNDS: LaneBounds = LaneBounds { max_message: 10_000 };
const EVERYTHING: Wanted = Wanted { activations: true, parked: true };

fn with_lanes(hosts: &str, lanes: u32) -> KafkaConfig {
    let mut config = config(hosts);
    config.topics.activation_partitions = lanes;
    config.producing.max_message = BOUNDS.max_message;
    // The largest messages travel in chunks.
    config.producing.chunk = 2_000;
    config
}

struct OnKafka {
    config: KafkaConfig,
    members: Vec<Arc<KafkaBus>>,
}

#[async_trait]
impl LaneCluster for OnKafka {
    async fn member(&mut self) -> Arc<dyn LaneBus> {
        let instance = format!("controller{}", self.members.len());
        let member = Arc::new(bus(&KafkaConfig { instance, ..self.config.clone() }).await);
        self.members.push(Arc::clone(&member));
        member
    }

    async fn kill(&mut self, member: Arc<dyn LaneBus>) {
        let is_it = |one: &&Arc<KafkaBus>| std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(&member));
        self.members.iter().find(is_it).expect("a member of this cluster").abandon().await;
    }
}

#[tokio::test]
async fn one_lane() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "the suite of lanes on Kafka") else { return };
    lane(BOUNDS, async |lanes| OnKafka { config: with_lanes(&hosts, lanes), members: Vec::new() }).await;
}

#[tokio::test]
async fn several_members() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "the suite of lanes on Kafka") else { return };
    members(BOUNDS, async |lanes| OnKafka { config: with_lanes(&hosts, lanes), members: Vec::new() }).await;
}

async fn next(lanes: &mut dyn LaneSubscription) -> Result<LaneEvent, BusError> {
    tokio::time::timeout(DEADLINE, lanes.next(EVERYTHING, 10)).await.expect("an event in time")
}

/// What was there, by topic.
async fn backlog(lanes: &mut dyn LaneSubscription) -> [Vec<LaneMessage>; 3] {
    let mut backlog = [const { Vec::new() }; 3];
    loop {
        match next(lanes).await.unwrap() {
            LaneEvent::Messages { topic: Topic::Activations, messages } => backlog[0].extend(messages),
            LaneEvent::Messages { messages, .. } => backlog[1].extend(messages),
            LaneEvent::InFlight(entries) => backlog[2].extend(entries),
            LaneEvent::CaughtUp(_) => return backlog,
            LaneEvent::Assigned(_) => {}
            event => panic!("{event:?}"),
        }
    }
}

/// A process that does not know yet that another has its lanes.
#[tokio::test]
async fn commits_of_a_member_that_was_replaced_are_refused() {
    let test = "commits_of_a_member_that_was_replaced_are_refused";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    let mut slow = with_lanes(&hosts, 1);
    // Its commits come after it was replaced, and it hears of that from them or later.
    slow.consuming.commit_interval = Duration::from_millis(1500);
    let (zombie, next_one) = (bus(&slow).await, bus(&with_same_prefix(&slow, &hosts)).await);
    for topic in [Topic::Activations, Topic::Parked] {
        zombie.append(topic, Partition(0), Message::new("a", "x")).await.unwrap();
    }
    zombie.append(Topic::InFlight, Partition(0), Message::new("note", "x")).await.unwrap();
    let mut lost = zombie.subscribe_lanes().await.unwrap();
    let taken = backlog(&mut *lost).await;
    let control = lost.control();

    let mut lanes = next_one.subscribe_lanes().await.unwrap();
    backlog(&mut *lanes).await;
    for (topic, messages) in [Topic::Activations, Topic::Parked].into_iter().zip(&taken) {
        messages.iter().for_each(|message| control.done(topic, message.lane, message.offset));
    }
    // It is told in the end: its lanes are lost, and it cannot go on.
    let mut revoked = false;
    let error = loop {
        match next(&mut *lost).await {
            Ok(LaneEvent::Revoked(_)) => revoked = true,
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(revoked && error.contains("cannot go on"), "{error}");
    zombie.close().await;
    drop(lanes);
    let mut lanes = next_one.subscribe_lanes().await.unwrap();
    let [activations, parked, in_flight] = backlog(&mut *lanes).await;
    assert_eq!((activations.len(), parked.len(), in_flight.len()), (1, 1, 1));
}

fn with_same_prefix(config: &KafkaConfig, hosts: &str) -> KafkaConfig {
    let (prefix, events_prefix) = (config.prefix.clone(), config.events_prefix.clone());
    KafkaConfig { prefix, events_prefix, ..with_lanes(hosts, config.topics.activation_partitions) }
}

/// With queues so full that nothing more is read of them, notes and barriers still come.
#[tokio::test]
async fn inflight_does_not_wait_behind_full_queues() {
    const MESSAGES: usize = 300;
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "inflight_does_not_wait_behind_full_queues") else {
        return;
    };
    let mut config = with_lanes(&hosts, 2);
    config.consuming.pending_messages = 4;
    let bus = bus(&config).await;
    for n in 0..MESSAGES {
        for topic in [Topic::Activations, Topic::Parked] {
            let message = Message::new(n.to_string(), vec![b'x'; 500]);
            bus.append(topic, Partition((n % 2) as u32), message).await.unwrap();
        }
    }
    let mut lanes = bus.subscribe_lanes().await.unwrap();
    let control = lanes.control();
    let nothing = Wanted::default();
    for round in 0..5 {
        for lane in [Partition(0), Partition(1)] {
            let key = format!("{round} of {}", lane.0);
            bus.append(Topic::InFlight, lane, Message::new(key.clone(), "x")).await.unwrap();
            let barrier = control.barrier(lane);
            let mut seen = (false, false);
            while seen != (true, true) {
                let event = tokio::time::timeout(DEADLINE, lanes.next(nothing, 10)).await.expect("in time");
                match event.unwrap() {
                    LaneEvent::InFlight(entries) => seen.0 |= entries.iter().any(|entry| entry.key == key),
                    // Before the lane was assigned there is nothing to wait for.
                    LaneEvent::Barrier(said) if said == barrier => seen.1 = true,
                    LaneEvent::Assigned(_) => {}
                    event => panic!("{event:?}"),
                }
            }
        }
    }
    let mut taken = 0;
    while taken < 2 * MESSAGES {
        if let LaneEvent::Messages { topic, messages } = next(&mut *lanes).await.unwrap() {
            taken += messages.len();
            messages.iter().for_each(|message| control.done(topic, message.lane, message.offset));
        }
    }
}

async fn heard(listener: &mut dyn Listener) -> String {
    let heard = tokio::time::timeout(DEADLINE, listener.next()).await.expect("a message in time").unwrap();
    let Heard::Message { key, .. } = heard else { panic!("{heard:?}") };
    key
}

#[tokio::test]
async fn a_listener_hears_what_was_said_shortly_before() {
    let test = "a_listener_hears_what_was_said_shortly_before";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    let bus = bus(&config(&hosts)).await;
    for key in ["a", "b"] {
        bus.publish(Channel::Health, key, "x".into()).await.unwrap();
    }
    let mut late = bus.listen(Channel::Health, Duration::from_secs(600)).await.unwrap();
    let mut new = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    bus.publish(Channel::Health, "c", "x".into()).await.unwrap();
    for key in ["a", "b", "c"] {
        assert_eq!(heard(&mut *late).await, key);
    }
    assert_eq!(heard(&mut *new).await, "c");
}
