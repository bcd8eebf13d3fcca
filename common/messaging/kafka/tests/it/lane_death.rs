//! A process that has lanes is killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use oxwhisk_kafka::KafkaConfig;
use oxwhisk_messaging::{Bus, LaneBus, LaneEvent, LaneSubscription, Message, Partition, Topic, Wanted};

use crate::fixture::{DEADLINE, bus, config, variable};

const LANES: u32 = 4;
const MESSAGES: usize = 40;
const WORK: [Topic; 2] = [Topic::Activations, Topic::Parked];
/// Tells the test binary that it is the child that consumes, and with which prefix.
const CHILD: &str = "OXWHISK_KAFKA_TEST_LANE_CHILD";

fn shared(hosts: &str, instance: &str, prefix: &str) -> KafkaConfig {
    let mut config = config(hosts);
    config.topics.activation_partitions = LANES;
    config.instance = instance.to_owned();
    config.events_prefix = prefix.to_owned();
    config.prefix = prefix.to_owned();
    config
}

/// What comes until all lanes are caught up with: the numbers of each topic's messages, and the keys on `inflight`.
#[derive(Debug, Default)]
struct Backlog {
    work: [Vec<usize>; 2],
    in_flight: Vec<String>,
    handed_out: Vec<(Topic, Partition, u64, usize)>,
}

async fn backlog(lanes: &mut dyn LaneSubscription) -> Backlog {
    let (mut backlog, mut caught_up) = (Backlog::default(), 0);
    while caught_up < LANES {
        let next = lanes.next(Wanted { activations: true, parked: true }, 10);
        match tokio::time::timeout(DEADLINE, next).await.expect("an event in time").unwrap() {
            LaneEvent::Messages { topic, messages } => {
                for message in messages {
                    let number = message.key.parse().unwrap();
                    backlog.work[usize::from(topic == Topic::Parked)].push(number);
                    backlog.handed_out.push((topic, message.lane, message.offset, number));
                }
            }
            LaneEvent::InFlight(entries) => {
                backlog.in_flight.extend(entries.into_iter().map(|entry| entry.key));
            }
            LaneEvent::CaughtUp(_) => caught_up += 1,
            LaneEvent::Assigned(_) => {}
            event => panic!("{event:?}"),
        }
    }
    backlog.work.iter_mut().for_each(|numbers| numbers.sort_unstable());
    backlog.in_flight.sort_unstable();
    backlog
}

/// The child: does what has an even number, withdraws a note, marks something, says so when all is written, and waits to be
/// killed.
async fn consume_the_even_ones(hosts: &str, prefix: &str) {
    let bus = bus(&shared(hosts, "controller0", prefix)).await;
    let mut lanes = bus.subscribe_lanes().await.unwrap();
    let control = lanes.control();
    let taken = backlog(&mut *lanes).await;
    let even = taken.handed_out.into_iter().filter(|(.., number)| number % 2 == 0);
    even.for_each(|(topic, lane, offset, _)| control.done(topic, lane, offset));
    bus.withdraw_from(Partition(0), "withdrawn").await.unwrap();
    bus.append(Topic::InFlight, Partition(1), Message::new("mark", "x").transient()).await.unwrap();
    for topic in WORK {
        while bus.depth(topic).await.unwrap() > (MESSAGES / 2) as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // Past the capture of the test harness.
    writeln!(std::io::stdout().lock(), "committed").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_a_killed_process_did_not_do_comes_to_the_next_owner() {
    let test = "what_a_killed_process_did_not_do_comes_to_the_next_owner";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    if let Ok(prefix) = std::env::var(CHILD) {
        return consume_the_even_ones(&hosts, &prefix).await;
    }
    let config = shared(&hosts, "controller1", &crate::fixture::prefix());
    let bus = bus(&config).await;
    for n in 0..MESSAGES {
        for topic in WORK {
            let lane = Partition(n as u32 / 2 % LANES);
            bus.append(topic, lane, Message::new(n.to_string(), "x")).await.unwrap();
        }
    }
    for (lane, note) in [(0, "withdrawn"), (1, "note")] {
        bus.append(Topic::InFlight, Partition(lane), Message::new(note, "x")).await.unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("lane_death::{test}"), "--nocapture"])
        .env(CHILD, &config.prefix)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let committed =
        tokio::task::spawn_blocking(move || lines.into_iter().any(|line| line.contains("committed")));
    let committed = tokio::time::timeout(DEADLINE, committed).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(committed.expect("it commits in time").unwrap(), "the child ended early");

    let mut lanes = bus.subscribe_lanes().await.unwrap();
    let left = backlog(&mut *lanes).await;
    let odd: Vec<usize> = (0..MESSAGES).filter(|n| n % 2 == 1).collect();
    assert_eq!(left.work, [odd.clone(), odd]);
    // Messages are left that are as old as the withdrawn note, so that comes once more, with its withdrawal.
    assert_eq!(left.in_flight, ["mark", "note", "withdrawn", "withdrawn"]);
}
