//! Several consumers of one queue.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use oxwhisk_kafka::KafkaConfig;
use oxwhisk_messaging::{Bus, Event, Message, Subscription, Topic};

use crate::fixture::{DEADLINE, bus, config, next, take, variable};

const PARTITIONS: u32 = 4;
const MESSAGES: usize = 60;
/// Tells the test binary that it is the child that consumes, and with which prefix.
const CHILD: &str = "OXWHISK_KAFKA_TEST_CHILD";

fn shared(hosts: &str, instance: &str, prefix: &str) -> KafkaConfig {
    let mut config = config(hosts);
    config.topics.partitions = PARTITIONS;
    config.instance = instance.to_owned();
    config.events_prefix = prefix.to_owned();
    config.prefix = prefix.to_owned();
    config
}

async fn produce(bus: &dyn Bus, count: usize) {
    for n in 0..count {
        bus.produce(Topic::DeadLetters, Message::new(n.to_string(), "x")).await.unwrap();
    }
}

/// Everything that comes until all partitions are caught up with.
async fn backlog(subscription: &mut dyn Subscription) -> BTreeSet<usize> {
    let (mut keys, mut caught_up) = (BTreeSet::new(), 0);
    while caught_up < PARTITIONS {
        match next(subscription, 10).await {
            Event::Messages(deliveries) => {
                keys.extend(deliveries.iter().map(|one| one.key.parse::<usize>().unwrap()))
            }
            Event::CaughtUp(_) => caught_up += 1,
            Event::Assigned(_) | Event::Revoked(_) | Event::Withdrawn(_) => {}
        }
    }
    keys
}

/// The child: does what has an even number, says so when that is committed, and waits to be killed.
async fn consume_the_even_ones(hosts: &str, prefix: &str) {
    let bus = bus(&shared(hosts, "controller0", prefix)).await;
    let mut subscription = bus.subscribe(Topic::DeadLetters).await.unwrap();
    let taken = take(&mut *subscription, MESSAGES).await;
    let even = taken.iter().filter(|delivery| delivery.key.parse::<usize>().unwrap() % 2 == 0);
    let ids: Vec<_> = even.map(|delivery| delivery.id).collect();
    subscription.completer().complete(&ids).await.unwrap();
    while bus.depth(Topic::DeadLetters).await.unwrap() > (MESSAGES / 2) as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Past the capture of the test harness.
    writeln!(std::io::stdout().lock(), "committed").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_a_killed_consumer_did_not_do_goes_to_another_one() {
    let test = "what_a_killed_consumer_did_not_do_goes_to_another_one";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    if let Ok(prefix) = std::env::var(CHILD) {
        return consume_the_even_ones(&hosts, &prefix).await;
    }
    let config = shared(&hosts, "controller1", &crate::fixture::prefix());
    let bus = bus(&config).await;
    produce(&bus, MESSAGES).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("groups::{test}"), "--nocapture"])
        .env(CHILD, &config.prefix)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let committed =
        tokio::task::spawn_blocking(move || lines.into_iter().any(|line| line.contains("committed")));
    let committed = tokio::time::timeout(DEADLINE, committed).await.unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(committed, "the child ended early");

    let mut subscription = bus.subscribe(Topic::DeadLetters).await.unwrap();
    let odd: BTreeSet<usize> = (0..MESSAGES).filter(|n| n % 2 == 1).collect();
    assert_eq!(backlog(&mut *subscription).await, odd);
}

#[tokio::test]
async fn a_second_consumer_gets_its_share_and_no_completion_from_the_first_one() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "a_second_consumer_gets_its_share") else { return };
    let prefix = crate::fixture::prefix();
    let one = bus(&shared(&hosts, "controller0", &prefix)).await;
    let two = bus(&shared(&hosts, "controller1", &prefix)).await;
    produce(&one, MESSAGES).await;
    let mut first = one.subscribe(Topic::DeadLetters).await.unwrap();
    let taken = take(&mut *first, MESSAGES).await;
    let mut second = two.subscribe(Topic::DeadLetters).await.unwrap();
    // The first one goes on polling; half of its partitions go.
    let mut revoked = BTreeSet::new();
    while revoked.len() < PARTITIONS as usize / 2 {
        if let Event::Revoked(partition) = next(&mut *first, 10).await {
            revoked.insert(partition);
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) =
        taken.iter().partition(|delivery| revoked.contains(&delivery.id.partition));
    assert!(!gone.is_empty() && !kept.is_empty());
    // It completes everything; what is not its own any more is passed over quietly.
    let all: Vec<_> = taken.iter().map(|delivery| delivery.id).collect();
    first.completer().complete(&all).await.unwrap();
    let again = take(&mut *second, gone.len()).await;
    let keys = |deliveries: &mut dyn Iterator<Item = String>| deliveries.collect::<BTreeSet<String>>();
    assert_eq!(
        keys(&mut again.iter().map(|delivery| delivery.key.clone())),
        keys(&mut gone.iter().map(|delivery| delivery.key.clone()))
    );
    assert!(again.iter().all(|delivery| delivery.again && revoked.contains(&delivery.id.partition)));
    second.completer().complete(&again.iter().map(|delivery| delivery.id).collect::<Vec<_>>()).await.unwrap();
    let done = async {
        while two.depth(Topic::DeadLetters).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, done).await.expect("everything is done");
}

/// A program that takes nothing for longer than a session keeps its partitions, and reads no more than it may.
#[tokio::test]
async fn a_slow_program_keeps_its_partitions() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "a_slow_program_keeps_its_partitions") else { return };
    let mut config = config(&hosts);
    config.consuming.session_timeout = Duration::from_millis(1500);
    config.consuming.pending_messages = 10;
    config.consuming.outstanding = 40;
    let bus = bus(&config).await;
    produce(&bus, 200).await;
    let mut subscription = bus.subscribe(Topic::DeadLetters).await.unwrap();
    let mut taken = take(&mut *subscription, 1).await;
    tokio::time::sleep(2 * config.consuming.session_timeout).await;
    let completer = subscription.completer();
    while taken.len() < 200 {
        match next(&mut *subscription, 7).await {
            Event::Messages(deliveries) => taken.extend(deliveries),
            event => panic!("{event:?}"),
        }
        // One is never done; the others are, a while after they were taken.
        let late = taken.len().saturating_sub(20);
        completer
            .complete(&taken[1..late.max(1)].iter().map(|delivery| delivery.id).collect::<Vec<_>>())
            .await
            .unwrap();
    }
    let keys: Vec<usize> = taken.iter().map(|delivery| delivery.key.parse().unwrap()).collect();
    assert_eq!(keys, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_processes_of_one_name_are_told_apart() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "two_processes_of_one_name_are_told_apart") else {
        return;
    };
    let config = config(&hosts);
    let (one, two) = (bus(&config).await, bus(&config).await);
    let mut first = one.subscribe(Topic::Completed).await.unwrap();
    assert!(matches!(next(&mut *first, 1).await, Event::Assigned(_)));
    let _second = two.subscribe(Topic::Completed).await.unwrap();
    let error = loop {
        match tokio::time::timeout(DEADLINE, first.next(1)).await.expect("an answer in time") {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("the consumer 'controller0' of") && error.contains("cannot go on"), "{error}");
}
