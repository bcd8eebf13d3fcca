//! Kafka dies and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxwhisk_kafka::KafkaConfig;
use oxwhisk_messaging::{Bus, BusError, BusStatus, Event, Message, Subscription, Topic};

use crate::broker::Broker;
use crate::fixture::{DEADLINE, bus, config, next, variable};

const PRODUCERS: usize = 4;
const PARTITIONS: u32 = 4;

fn fragile(hosts: &str) -> KafkaConfig {
    let mut config = config(hosts);
    config.topics.partitions = PARTITIONS;
    config.producing.timeout = Duration::from_millis(1500);
    config.request_timeout = Duration::from_millis(1500);
    config
}

#[derive(Debug, Default)]
struct Produced {
    acknowledged: Mutex<BTreeSet<String>>,
    refused: AtomicUsize,
    stop: AtomicBool,
}

impl Produced {
    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Produces one message after the other until it is told to stop. What fails is not tried again.
    async fn run(&self, bus: &dyn Bus, producer: usize) {
        for n in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let key = format!("{producer}-{n}");
            match bus
                .produce(Topic::DeadLetters, Message::new(key.clone(), "x").with_route(format!("{n}")))
                .await
            {
                Ok(()) => drop(self.acknowledged.lock().unwrap().insert(key)),
                Err(error) => {
                    assert!(matches!(error, BusError::TimedOut { .. } | BusError::Unavailable(_)), "{error}");
                    self.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never: {what}");
}

/// Completes everything it gets, and counts.
async fn consume(mut subscription: Box<dyn Subscription>, seen: &Mutex<BTreeMap<String, usize>>) {
    let completer = subscription.completer();
    while let Ok(event) = subscription.next(50).await {
        let Event::Messages(deliveries) = event else { continue };
        for delivery in &deliveries {
            *seen.lock().unwrap().entry(delivery.key.clone()).or_default() += 1;
        }
        let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id).collect();
        completer.complete(&ids).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_kafka_is_killed() {
    let test = "nothing_acknowledged_is_lost_when_kafka_is_killed";
    if variable("OXWHISK_TEST_KAFKA", test).is_none() {
        return;
    }
    let mut broker = tokio::task::block_in_place(Broker::start);
    let config = fragile(broker.hosts());
    let bus = Arc::new(bus(&config).await);
    let (produced, seen) = (Arc::new(Produced::default()), Arc::new(Mutex::new(BTreeMap::new())));
    let mut tasks = tokio::task::JoinSet::new();
    for producer in 0..PRODUCERS {
        let (bus, produced) = (Arc::clone(&bus), Arc::clone(&produced));
        tasks.spawn(async move { produced.run(&*bus, producer).await });
    }
    let subscription = bus.subscribe(Topic::DeadLetters).await.unwrap();
    let consuming = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move { consume(subscription, &seen).await }
    });
    let mut status = bus.status();
    for round in 1..=2 {
        until("messages are taken", async || {
            produced.count() > round * 200 && seen.lock().unwrap().len() > round * 100
        })
        .await;
        tokio::task::block_in_place(|| broker.kill());
        let refused = produced.refused.load(Ordering::SeqCst);
        until("producers are told", async || produced.refused.load(Ordering::SeqCst) > refused).await;
        let away = status.wait_for(|status| matches!(status, BusStatus::Away(_)));
        tokio::time::timeout(DEADLINE, away).await.expect("it is seen").unwrap();
        tokio::task::block_in_place(|| broker.start_again());
        let back = status.wait_for(|status| *status == BusStatus::Available);
        tokio::time::timeout(DEADLINE, back).await.expect("it is seen").unwrap();
    }
    let so_far = produced.count();
    until("messages are taken again", async || produced.count() > so_far + 200).await;
    produced.stop.store(true, Ordering::SeqCst);
    tasks.join_all().await;

    let acknowledged = produced.acknowledged.lock().unwrap().clone();
    until("everything has come", async || {
        let seen = seen.lock().unwrap();
        acknowledged.iter().all(|key| seen.contains_key(key))
    })
    .await;
    until("everything is committed", async || {
        bus.depth(Topic::DeadLetters).await.is_ok_and(|depth| depth == 0)
    })
    .await;
    bus.close().await;
    consuming.await.unwrap();

    // After a clean end nothing comes again.
    let bus = crate::fixture::bus(&config).await;
    let mut subscription = bus.subscribe(Topic::DeadLetters).await.unwrap();
    let mut caught_up = 0;
    while caught_up < PARTITIONS {
        match next(&mut *subscription, 10).await {
            Event::CaughtUp(_) => caught_up += 1,
            Event::Messages(deliveries) => panic!("done already: {deliveries:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_kafka_is_away_records_are_kept_within_their_bound() {
    let test = "while_kafka_is_away_records_are_kept_within_their_bound";
    if variable("OXWHISK_TEST_KAFKA", test).is_none() {
        return;
    }
    let mut broker = tokio::task::block_in_place(Broker::start);
    let mut config = fragile(broker.hosts());
    config.producing.unacknowledged_bytes = 10_000;
    config.producing.queue_kib = 16;
    let bus = bus(&config).await;
    bus.produce(Topic::Completed, Message::new("first", "x")).await.unwrap();
    bus.produce(Topic::DeadLetters, Message::new("first", "x")).await.unwrap();
    tokio::task::block_in_place(|| broker.kill());

    // Records are taken until the bound is reached, and refused then.
    let mut receipts = Vec::new();
    let refusal = loop {
        match bus.produce_now(Topic::Completed, &receipts.len().to_string(), vec![b'x'; 997]) {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, BusError::Full { topic: "completed" }), "{refusal}");
    assert_eq!(receipts.len(), 10);
    assert!(receipts.iter().all(|receipt| !receipt.is_durable()));
    // Messages that somebody waits for fill the queue, or their time runs out; either is said.
    let produce = || bus.produce(Topic::DeadLetters, Message::new("a", vec![b'x'; 4000]));
    let outcomes = tokio::join!(produce(), produce(), produce(), produce(), produce(), produce());
    let outcomes: [_; 6] = outcomes.into();
    let full = outcomes.iter().filter(|outcome| matches!(outcome, Err(BusError::Full { .. }))).count();
    let late = outcomes.iter().filter(|outcome| matches!(outcome, Err(BusError::TimedOut { .. }))).count();
    assert!(full > 0 && late > 0 && full + late == 6, "{outcomes:?}");

    tokio::task::block_in_place(|| broker.start_again());
    let expected = receipts.len();
    for receipt in receipts {
        tokio::time::timeout(DEADLINE, receipt.wait()).await.expect("it is durable in time").unwrap();
    }
    let mut subscription = bus.subscribe(Topic::Completed).await.unwrap();
    let mut keys = BTreeSet::new();
    while keys.len() <= expected {
        if let Event::Messages(deliveries) = next(&mut *subscription, 100).await {
            keys.extend(deliveries.into_iter().map(|delivery| delivery.key));
        }
    }
    assert!((0..expected).all(|n| keys.contains(&n.to_string())), "{keys:?}");
    bus.produce_now(Topic::Completed, "later", b"x".to_vec()).unwrap().wait().await.unwrap();
}
