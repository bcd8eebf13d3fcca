//! What a bus hands out after it was opened anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oxwhisk_messaging::embedded::{EmbeddedBus, EmbeddedOptions};
use oxwhisk_messaging::{Bus, Delivery, Event, Message, Subscription, Topic};

fn options() -> EmbeddedOptions {
    EmbeddedOptions { completion_linger: Duration::from_millis(1), ..EmbeddedOptions::default() }
}

fn open(directory: &Path) -> EmbeddedBus {
    EmbeddedBus::open(directory, &options()).unwrap()
}

async fn produce(bus: &EmbeddedBus, topic: Topic, keys: &[&str]) {
    for key in keys {
        bus.produce(topic, Message::new(*key, format!("payload of {key}"))).await.unwrap();
    }
}

async fn take(subscription: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(60), subscription.next(count - taken.len()));
        if let Event::Messages(deliveries) = next.await.expect("an event in time").unwrap() {
            taken.extend(deliveries);
        }
    }
    taken
}

fn keys(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.key.as_str()).collect()
}

#[tokio::test]
async fn what_was_not_completed_comes_first() {
    for topic in Topic::ALL {
        let directory = tempfile::tempdir().unwrap();
        let bus = open(directory.path());
        produce(&bus, topic, &["a", "b", "c"]).await;
        let mut subscription = bus.subscribe(topic).await.unwrap();
        let taken = take(&mut *subscription, 2).await;
        if topic == Topic::Completed {
            // A spool file remembers nothing of what was completed in it: it comes once more.
            drop((subscription, bus));
            let bus = open(directory.path());
            produce(&bus, topic, &["d"]).await;
            let mut subscription = bus.subscribe(topic).await.unwrap();
            assert_eq!(keys(&take(&mut *subscription, 4).await), ["a", "b", "c", "d"]);
            continue;
        }
        subscription.completer().complete(&[taken[0].id]).await.unwrap();
        bus.close().await;
        drop((subscription, bus));
        let bus = open(directory.path());
        produce(&bus, topic, &["d"]).await;
        assert_eq!(bus.depth(topic).await.unwrap(), 3);
        let mut subscription = bus.subscribe(topic).await.unwrap();
        let taken = take(&mut *subscription, 3).await;
        assert_eq!(keys(&taken), ["b", "c", "d"]);
        assert_eq!(taken[0].payload, "payload of b");
    }
}

fn spool_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(directory.join("spool")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
}

#[tokio::test]
async fn a_spool_that_is_done_with_leaves_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let bus =
        EmbeddedBus::open(directory.path(), &EmbeddedOptions { segment_bytes: 100, ..options() }).unwrap();
    let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for name in &names {
        produce(&bus, Topic::Completed, &[name]).await;
    }
    let mut subscription = bus.subscribe(Topic::Completed).await.unwrap();
    let ids: Vec<_> = take(&mut *subscription, 50).await.iter().map(|delivery| delivery.id).collect();
    assert!(spool_files(directory.path()).len() > 5);
    subscription.completer().complete(&ids).await.unwrap();
    bus.close().await;
    assert_eq!(spool_files(directory.path()), [""; 0].map(PathBuf::from));
}

/// A spool file with three records, and where the second lies.
async fn three_records(directory: &Path) -> (PathBuf, usize) {
    let bus = open(directory);
    produce(&bus, Topic::Completed, &["first", "second", "third"]).await;
    drop(bus);
    let file = spool_files(directory).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let second = bytes.windows(6).position(|window| window == b"second").unwrap();
    (file, second)
}

#[tokio::test]
async fn a_torn_record_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (file, _) = three_records(directory.path()).await;
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 1).unwrap();
    let bus = open(directory.path());
    assert_eq!(bus.depth(Topic::Completed).await.unwrap(), 2);
    assert!(std::fs::metadata(&file).unwrap().len() < length - 1);
    let mut subscription = bus.subscribe(Topic::Completed).await.unwrap();
    assert_eq!(keys(&take(&mut *subscription, 2).await), ["first", "second"]);
}

#[tokio::test]
async fn a_damaged_record_is_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let (file, second) = three_records(directory.path()).await;
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[second] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let bus = open(directory.path());
    let mut subscription = bus.subscribe(Topic::Completed).await.unwrap();
    assert_eq!(keys(&take(&mut *subscription, 2).await), ["first", "third"]);
}

#[tokio::test]
async fn a_spool_file_without_its_header_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let (file, _) = three_records(directory.path()).await;
    std::fs::write(&file, "this is no spool file at all").unwrap();
    let bus = open(directory.path());
    assert_eq!(bus.depth(Topic::Completed).await.unwrap(), 0);
    assert_eq!(spool_files(directory.path()), [file.with_extension("damaged")]);
}

#[test]
fn a_second_server_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    let error = EmbeddedBus::open(directory.path(), &options()).unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(first);
    open(directory.path());
}

#[test]
fn a_queue_that_is_no_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("queue.db"),
        "not a database, but long enough for a header".repeat(9),
    )
    .unwrap();
    let error = EmbeddedBus::open(directory.path(), &options()).unwrap_err();
    assert!(error.to_string().contains("queue.db is damaged or not a database"), "{error}");
}
