//! Two writers that share the partitions of a real Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_kafka::config::TopicSettings;
use oxwhisk_kafka::{KafkaBus, KafkaConfig, Role};
use oxwhisk_messaging::{Bus, Event, Topic};
use oxwhisk_store::memory::MemoryActivationStore;
use oxwhisk_store::{ActivationQuery, ActivationStore, RecordDocument, StoreError};
use oxwhisk_ticket::Claims;
use tokio_util::sync::CancellationToken;

use crate::fixture::claims;
use crate::writer::{DEADLINE, Run, begin, put, records, stored, until_done};

#[expect(clippy::print_stdout, reason = "shown with the test that is skipped")]
fn hosts(test: &str) -> Option<String> {
    let _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::INFO).try_init();
    let found = std::env::var("OXWHISK_TEST_KAFKA").ok();
    if found.is_none() {
        let why = std::env::var("OXWHISK_NO_KAFKA")
            .unwrap_or_else(|_| "run through scripts/with-services.sh kafka -- ...".to_owned());
        println!("skipped: {test}: {why}");
    }
    found
}

/// Topics of a prefix of their own.
struct Topics {
    hosts: String,
    prefix: String,
    partitions: u32,
}

impl Topics {
    fn new(hosts: String, partitions: u32) -> Self {
        let prefix = format!("t{}-{}.", std::process::id(), ActivationId::generate());
        Self { hosts, prefix, partitions }
    }
}

async fn bus(topics: &Topics, instance: &str, role: Role) -> Arc<KafkaBus> {
    let Topics { hosts, prefix, partitions } = topics;
    let mut config = KafkaConfig::new(hosts, instance, role);
    config.prefix.clone_from(prefix);
    config.events_prefix.clone_from(prefix);
    config.topics =
        TopicSettings { activation_partitions: 1, partitions: *partitions, ..TopicSettings::default() };
    config.consuming.commit_interval = Duration::from_millis(20);
    config.consuming.session_timeout = Duration::from_secs(3);
    config.options.insert("fetch.wait.max.ms".to_owned(), "50".to_owned().into());
    let bus = KafkaBus::new(config).unwrap();
    let ready = bus.ready(CancellationToken::new());
    tokio::time::timeout(DEADLINE, ready).await.expect("Kafka in time").unwrap();
    Arc::new(bus)
}

/// The store as one controller reaches it: slow now and then, and counting.
#[derive(Debug)]
struct Reached {
    store: Arc<MemoryActivationStore>,
    written: AtomicUsize,
}

impl Reached {
    fn new(store: &Arc<MemoryActivationStore>) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), written: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl ActivationStore for Reached {
    async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
        // Time for partitions to go elsewhere meanwhile.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.store.store(records).await?;
        self.written.fetch_add(records.len(), Ordering::SeqCst);
        Ok(())
    }

    async fn get(&self, namespace: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError> {
        self.store.get(namespace, id).await
    }

    async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError> {
        self.store.existing(ids).await
    }

    async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        self.store.summaries(query).await
    }

    async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        self.store.documents(query).await
    }

    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
        self.store.count(query).await
    }
}

/// Runs of an activation each, and another run of the same activation that comes second.
fn runs(count: u64) -> Vec<(Run, Run)> {
    let pair = |n| {
        let first = claims("guest/hello");
        let second = Claims { attempt: 2, ..first.clone() };
        (Run::new(first, n), Run::new(second, n))
    };
    (0..count).map(pair).collect()
}

/// Each activation's records in their order: the first run's, the other's, and last the first one's logs.
async fn put_all(bus: &dyn Bus, runs: &[(Run, Run)]) {
    for (first, second) in runs {
        put(bus, &first.claims, first.envelope(&[])).await;
        put(bus, &first.claims, second.envelope(&["theirs"])).await;
    }
    for (first, _) in runs {
        put(bus, &first.claims, first.envelope(&["late"])).await;
    }
}

/// Partitions move while records come: from one writer to two, and, when the first one ends in the middle of its work,
/// to the other. Every activation ends with its first run's record and that run's logs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_written_in_order_while_partitions_move() {
    let test = "records_are_written_in_order_while_partitions_move";
    let Some(hosts) = hosts(test) else { return };
    let topics = Topics::new(hosts, 4);
    let store = Arc::new(MemoryActivationStore::default());
    let first_bus = bus(&topics, "controller0", Role::Controller).await;
    let second_bus = bus(&topics, "controller1", Role::Controller).await;
    let invoker = bus(&topics, "invoker0", Role::Invoker).await;
    let (one, two) = (Reached::new(&store), Reached::new(&store));
    let first = records(Arc::clone(&first_bus) as _, Arc::clone(&one) as _, 100);
    let second = records(Arc::clone(&second_bus) as _, Arc::clone(&two) as _, 200);

    let mut all = runs(20);
    let writer = begin(&*first_bus, &first).await;
    put_all(&*invoker, &all).await;
    let written = async {
        while one.written.load(Ordering::SeqCst) < 3 * 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, written).await.expect("the first one writes");
    let other = begin(&*second_bus, &second).await;
    let shared = async {
        while two.written.load(Ordering::SeqCst) == 0 {
            let more = runs(10);
            put_all(&*invoker, &more).await;
            all.extend(more);
        }
    };
    tokio::time::timeout(DEADLINE, shared).await.expect("the second one gets its share");
    let more = runs(40);
    put_all(&*invoker, &more).await;
    all.extend(more);
    first.stop();
    writer.await.unwrap();
    first_bus.close().await;
    until_done(&*second_bus).await;

    for (first, _) in &all {
        let record = stored(&store, &first.claims).await.expect("every activation has a record");
        let expected = first.record(&["late"]);
        assert_eq!(record.response.result.unwrap().get(), expected.response.result.unwrap().get());
        assert_eq!(record.logs, ["late"]);
    }
    assert_eq!(first.not_admitted() + second.not_admitted(), 0);
    second.stop();
    other.await.unwrap();
    second_bus.close().await;
    invoker.close().await;
}

/// A controller without any partition works all the same: nobody waits for partitions that never come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_without_partitions_is_at_work_at_once() {
    let Some(hosts) = hosts("a_writer_without_partitions_is_at_work_at_once") else { return };
    let topics = Topics::new(hosts, 1);
    let store = Arc::new(MemoryActivationStore::default());
    let first_bus = bus(&topics, "controller0", Role::Controller).await;
    // The only partition is this one's, and stays so.
    let mut holder = first_bus.subscribe(Topic::Completed).await.unwrap();
    let event = tokio::time::timeout(DEADLINE, holder.next(1)).await.expect("in time").unwrap();
    assert!(matches!(event, Event::Assigned(_)), "{event:?}");
    let second_bus = bus(&topics, "controller1", Role::Controller).await;
    let records = records(Arc::clone(&second_bus) as _, store, 200);
    let subscription = second_bus.subscribe(Topic::Completed).await.unwrap();
    let (caught_up, told) = tokio::sync::oneshot::channel();
    let writing = Arc::clone(&records);
    let writer = tokio::spawn(async move { writing.write(subscription, caught_up).await });
    tokio::time::timeout(DEADLINE, told).await.expect("at once").unwrap();
    let run = Run::new(claims("guest/hello"), 1);
    let record = Arc::new(run.record(&[]));
    let own = records.record(&record, oxwhisk_dispatch::RecordKind::Lost, None);
    tokio::time::timeout(DEADLINE, own).await.expect("it is durable in time").unwrap();
    assert!(records.pending(&record.namespace, record.activation_id).is_some());
    second_bus.close().await;
    writer.await.unwrap();
    first_bus.close().await;
}
