//! What was acknowledged is there after a SIGKILL.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oxwhisk_messaging::embedded::{EmbeddedBus, EmbeddedOptions};
use oxwhisk_messaging::{Bus, Event, Message, Topic};

/// Tells the test binary that it is the child that produces, and where.
const DIRECTORY: &str = "OXWHISK_MESSAGING_TEST_DIRECTORY";

/// Acknowledged messages of each topic after which the child is killed.
const ACKNOWLEDGED: usize = 200;

const TOPICS: [Topic; 2] = [Topic::Activations, Topic::Completed];

fn options() -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes: 2000, ..EmbeddedOptions::default() }
}

/// The child: produces until it is killed, and prints a line for each pair of messages that was acknowledged.
async fn produce_for_ever(directory: &Path) {
    let bus = EmbeddedBus::open(directory, &options()).unwrap();
    for n in 0.. {
        for topic in TOPICS {
            bus.produce(topic, Message::new(n.to_string(), format!("payload of {n}"))).await.unwrap();
        }
        // Past the capture of the test harness.
        writeln!(std::io::stdout().lock(), "acknowledged {n}").unwrap();
    }
}

fn spawn_child(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::what_was_acknowledged_survives_a_kill", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return produce_for_ever(Path::new(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut child = spawn_child(directory.path());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = lines.filter(|line| line.starts_with("acknowledged")).take(ACKNOWLEDGED).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged, ACKNOWLEDGED);
    let bus = EmbeddedBus::open(directory.path(), &options()).unwrap();
    for topic in TOPICS {
        let mut missing: HashSet<String> = (0..acknowledged).map(|n| n.to_string()).collect();
        let mut subscription = bus.subscribe(topic).await.unwrap();
        let (mut ids, mut depth) = (Vec::new(), bus.depth(topic).await.unwrap());
        while depth > 0 {
            let next = tokio::time::timeout(Duration::from_secs(60), subscription.next(7)).await;
            let Event::Messages(deliveries) = next.expect("an event in time").unwrap() else { continue };
            for delivery in deliveries {
                assert_eq!(delivery.payload, format!("payload of {}", delivery.key));
                missing.remove(&delivery.key);
                ids.push(delivery.id);
                depth -= 1;
            }
        }
        assert!(missing.is_empty(), "{topic:?} lost {missing:?}");
        subscription.completer().complete(&ids).await.unwrap();
    }
    bus.close().await;
    drop(bus);
    let bus = EmbeddedBus::open(directory.path(), &options()).unwrap();
    for topic in TOPICS {
        assert_eq!(bus.depth(topic).await.unwrap(), 0, "{topic:?}");
    }
}
