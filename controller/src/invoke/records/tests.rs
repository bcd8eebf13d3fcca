use std::sync::atomic::{AtomicBool, AtomicUsize};

use async_trait::async_trait;
use oxwhisk_core::entity::{Response, Status};
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::record::RecordOrigin;
use oxwhisk_core::version::Version;
use oxwhisk_messaging::Message;
use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
use oxwhisk_store::memory::MemoryActivationStore;
use oxwhisk_store::{ActivationQuery, RecordDocument, Refusal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// Longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// A store that takes no document of more than so many bytes, and may be away.
#[derive(Debug)]
struct Fickle {
    inner: MemoryActivationStore,
    limit: usize,
    away: AtomicBool,
    asked: AtomicUsize,
    written: AtomicUsize,
}

impl Fickle {
    fn new(limit: usize) -> Arc<Self> {
        let (inner, away) = (MemoryActivationStore::default(), AtomicBool::new(false));
        Arc::new(Self { inner, limit, away, asked: AtomicUsize::new(0), written: AtomicUsize::new(0) })
    }

    fn there(&self) -> Result<(), StoreError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("it is away".to_owned())),
            false => Ok(()),
        }
    }

    async fn stored(&self, record: &Activation) -> Option<Activation> {
        let text = self.inner.get(&record.namespace, record.activation_id).await.unwrap();
        text.map(|text| Activation::from_document(&text).unwrap())
    }

    async fn until_stored(&self, record: &Activation) -> Activation {
        until("it is stored", async || self.stored(record).await).await
    }
}

#[async_trait]
impl ActivationStore for Fickle {
    async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
        self.written.fetch_add(1, Ordering::SeqCst);
        self.there()?;
        let (taken, refused): (Vec<_>, Vec<_>) =
            records.iter().cloned().partition(|record| record.document.len() <= self.limit);
        self.inner.store(&taken).await?;
        let refusal = |record: RecordDocument| Refusal {
            namespace: record.namespace,
            activation_id: record.activation_id,
            origin: record.origin,
            reason: "too large".to_owned(),
        };
        let refusals: Vec<_> = refused.into_iter().map(refusal).collect();
        if refusals.is_empty() { Ok(()) } else { Err(StoreError::Refused(refusals)) }
    }

    async fn get(&self, of: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.there()?;
        self.inner.get(of, id).await
    }

    async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError> {
        self.inner.existing(ids).await
    }

    async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        self.inner.summaries(query).await
    }

    async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        self.inner.documents(query).await
    }

    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
        self.inner.count(query).await
    }
}

pub(super) fn activation(message: &str, log: &str) -> Activation {
    let me = EntityName::new("me").unwrap();
    Activation {
        namespace: me.clone(),
        name: me,
        version: Version::FIRST,
        subject: "me".into(),
        activation_id: ActivationId::generate(),
        start: 1,
        end: 2,
        duration: Some(1),
        cause: None,
        response: Response::error(Status::ApplicationError, message),
        logs: vec![log.to_owned()],
        annotations: Parameters::new(),
        publish: false,
    }
}

fn without_logs(record: &Activation) -> Arc<Activation> {
    Arc::new(Activation { logs: Vec::new(), ..record.clone() })
}

fn result(record: &Activation) -> String {
    record.response.result.as_ref().unwrap().get().to_owned()
}

fn bus() -> Arc<MemoryBus> {
    Arc::new(MemoryBus::default())
}

fn records(bus: &Arc<MemoryBus>, store: &Arc<Fickle>) -> Arc<Records> {
    Arc::new(Records::new(Arc::clone(bus) as _, Arc::clone(store) as _))
}

/// As one of several processes, whose records are nevertheless plain.
fn shared(bus: &Arc<MemoryBus>, store: &Arc<Fickle>) -> Arc<Records> {
    let form = Arc::new(PlainForm::new());
    Arc::new(Records::shared(Arc::clone(bus) as _, Arc::clone(store) as _, form, RecentBounds::default()))
}

/// The writer, and what tells that it has caught up.
async fn begin(bus: &MemoryBus, records: &Arc<Records>) -> (JoinHandle<()>, oneshot::Receiver<()>) {
    let subscription = bus.subscribe(Topic::Completed).await.unwrap();
    let (caught_up, told) = oneshot::channel();
    let records = Arc::clone(records);
    (tokio::spawn(async move { records.write(subscription, caught_up).await }), told)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

async fn until_done(bus: &MemoryBus) {
    until("all is completed", async || (bus.depth(Topic::Completed).await.unwrap() == 0).then_some(())).await;
}

async fn found(records: &Records, record: &Activation) -> Option<Activation> {
    match records.find(&record.namespace, record.activation_id).await.unwrap()? {
        Found::Record(record) => Some(Activation::clone(&record)),
        Found::Document(document) => Some(Activation::from_document(&document).unwrap()),
    }
}

#[tokio::test]
async fn records_that_the_store_refuses_are_stored_shorter_and_hold_up_no_others() {
    let (bus, store) = (bus(), Fickle::new(1_000));
    let records = records(&bus, &store);
    let long = "x".repeat(2_000);
    let all = [activation("no", "hi"), activation("no", &long), activation(&long, &long)];
    for record in &all {
        records.accept(&Arc::new(record.clone()), RecordContext::default()).unwrap();
    }
    let (_writer, caught_up) = begin(&bus, &records).await;
    in_time(caught_up).await.unwrap();
    let mut stored = Vec::new();
    for record in &all {
        stored.push(store.stored(record).await.expect("every record"));
    }
    assert_eq!((stored[0].logs[0].as_str(), result(&stored[0]).as_str()), ("hi", r#"{"error":"no"}"#));
    assert_eq!(result(&stored[1]), r#"{"error":"no"}"#);
    assert!(stored[1].logs[0].contains("too large"), "{:?}", stored[1].logs);
    let left_out = result(&stored[2]);
    assert!(left_out.contains("the result cannot be stored: too large"), "{left_out}");
}

/// Of two versions in one batch the refused one is shortened, and not the other.
#[tokio::test]
async fn a_refused_completion_completes_its_record_without_the_logs() {
    let (bus, store) = (bus(), Fickle::new(1_000));
    let records = records(&bus, &store);
    let complete = activation("no", &"x".repeat(2_000));
    records.accept(&without_logs(&complete), RecordContext::default()).unwrap();
    records.accept(&Arc::new(complete.clone()), RecordContext::default()).unwrap();
    let (_writer, caught_up) = begin(&bus, &records).await;
    in_time(caught_up).await.unwrap();
    assert!(store.stored(&complete).await.unwrap().logs[0].contains("too large"));
    assert!(records.pending(&complete.namespace, complete.activation_id).is_none());
}

#[tokio::test]
async fn a_store_that_is_away_delays_records_and_loses_none() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = records(&bus, &store);
    store.away.store(true, Ordering::SeqCst);
    let all: Vec<_> = (0..20).map(|_| activation("no", "hi")).collect();
    let (_writer, caught_up) = begin(&bus, &records).await;
    in_time(caught_up).await.unwrap();
    for record in &all {
        records.accept(&Arc::new(record.clone()), RecordContext::default()).unwrap();
    }
    until("it is tried again", async || (store.written.load(Ordering::SeqCst) > 2).then_some(())).await;
    assert!(bus.depth(Topic::Completed).await.unwrap() > 0);
    assert_eq!(found(&records, &all[19]).await.unwrap().logs, ["hi"]);
    store.away.store(false, Ordering::SeqCst);
    for record in &all {
        in_time(records.settled(record.activation_id)).await;
        assert!(store.stored(record).await.is_some());
    }
    until_done(&bus).await;
}

/// What the writer of a dead process had in hand is written by the next one, in order.
#[tokio::test]
async fn the_order_of_records_outlives_their_writer() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let first = records(&bus, &store);
    let complete = activation("first", "late");
    first.accept(&without_logs(&complete), RecordContext::default()).unwrap();
    store.away.store(true, Ordering::SeqCst);
    let (writer, _) = begin(&bus, &first).await;
    until("it tries", async || (store.written.load(Ordering::SeqCst) > 0).then_some(())).await;
    first.stop();
    in_time(writer).await.unwrap();
    assert_eq!(bus.depth(Topic::Completed).await.unwrap(), 1);

    // The same activation in another process, a loss in between, and the logs of the first run behind all of them.
    let second = records(&bus, &store);
    let other = Activation { activation_id: complete.activation_id, ..activation("second", "other") };
    second.accept(&Arc::new(other), RecordContext::default()).unwrap();
    first.accept(&Arc::new(complete.clone()), RecordContext::default()).unwrap();
    first.accept(&without_logs(&complete), RecordContext::default()).unwrap();
    store.away.store(false, Ordering::SeqCst);
    let (_writer, caught_up) = begin(&bus, &second).await;
    in_time(caught_up).await.unwrap();
    let stored = store.stored(&complete).await.unwrap();
    assert_eq!((result(&stored), stored.logs), (result(&complete), complete.logs));
    until_done(&bus).await;
}

#[tokio::test]
async fn a_closed_bus_ends_the_writer() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = records(&bus, &store);
    let (writer, caught_up) = begin(&bus, &records).await;
    in_time(caught_up).await.unwrap();
    bus.close().await;
    in_time(writer).await.unwrap();
}

#[tokio::test]
async fn what_is_no_record_is_counted_and_done() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = shared(&bus, &store);
    let (before, after) = (activation("no", "hi"), activation("no", "hi"));
    records.accept(&Arc::new(before.clone()), RecordContext::default()).unwrap();
    bus.produce(Topic::Completed, Message::new("x", "no record")).await.unwrap();
    records.accept(&Arc::new(after.clone()), RecordContext::default()).unwrap();
    let (_writer, _) = begin(&bus, &records).await;
    until_done(&bus).await;
    assert!(store.stored(&before).await.is_some() && store.stored(&after).await.is_some());
    assert_eq!(records.not_admitted(), 1);
}

/// The partitions that have the backlog may never come here.
#[tokio::test]
async fn nobody_waits_for_partitions_that_others_have() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = shared(&bus, &store);
    store.away.store(true, Ordering::SeqCst);
    records.accept(&Arc::new(activation("no", "hi")), RecordContext::default()).unwrap();
    let (_writer, caught_up) = begin(&bus, &records).await;
    in_time(caught_up).await.unwrap();
    in_time(records.settled(ActivationId::generate())).await;
    in_time(records.caught_up(&EntityName::new("me").unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn a_recent_result_is_shown_until_the_store_knows_better() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = shared(&bus, &store);
    let complete = activation("no", "late");
    let heard = without_logs(&complete);
    records.recent(Arc::clone(&heard));
    assert_eq!(found(&records, &heard).await.unwrap().logs, [""; 0]);
    assert_eq!(store.asked.load(Ordering::SeqCst), 0, "it cannot be there yet");
    tokio::time::advance(RecentBounds::default().fresh).await;
    assert!(found(&records, &heard).await.is_some());
    assert_eq!(store.asked.load(Ordering::SeqCst), 1);
    store.away.store(true, Ordering::SeqCst);
    assert!(found(&records, &heard).await.is_some());
    store.away.store(false, Ordering::SeqCst);
    // Another controller stored it.
    store.store(&[RecordDocument::from_activation(&complete, 9)]).await.unwrap();
    assert_eq!(found(&records, &heard).await.unwrap().logs, ["late"]);
    assert!(records.pending(&heard.namespace, heard.activation_id).is_none(), "it is forgotten");
    assert_eq!(found(&records, &heard).await.unwrap().logs, ["late"]);
}

#[tokio::test]
async fn what_this_process_stores_is_no_recent_result_any_more() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = shared(&bus, &store);
    let record = Arc::new(activation("no", "hi"));
    records.record(&record, RecordKind::Lost, None).await.unwrap();
    assert!(records.pending(&record.namespace, record.activation_id).is_some());
    let (_writer, _) = begin(&bus, &records).await;
    until("it is forgotten", async || {
        records.pending(&record.namespace, record.activation_id).is_none().then_some(())
    })
    .await;
    store.until_stored(&record).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_writer_forgets_what_is_too_old() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = shared(&bus, &store);
    let record = Arc::new(activation("no", "hi"));
    records.recent(Arc::clone(&record));
    let (_writer, _) = begin(&bus, &records).await;
    let since = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if records.pending(&record.namespace, record.activation_id).is_none() {
            break;
        }
        assert!(since.elapsed() < 2 * RecentBounds::default().age, "it is kept for ever");
    }
    assert!(since.elapsed() >= RecentBounds::default().age);
}

#[tokio::test]
async fn a_record_of_our_own_waits_until_the_bus_takes_it() {
    let bus = Arc::new(MemoryBus::new(MemoryOptions { max_depth: 1, ..MemoryOptions::default() }));
    let store = Fickle::new(usize::MAX);
    let records = shared(&bus, &store);
    let (one, other) = (Arc::new(activation("no", "hi")), Arc::new(activation("lost", "hi")));
    records.accept(&one, RecordContext::default()).unwrap();
    let (writing, lost) = (Arc::clone(&records), Arc::clone(&other));
    let recorded = tokio::spawn(async move { writing.record(&lost, RecordKind::Lost, None).await });
    assert!(!recorded.is_finished(), "there is no room");
    let (_writer, _) = begin(&bus, &records).await;
    in_time(recorded).await.unwrap().unwrap();
    store.until_stored(&other).await;
    // A result that comes behind it changes nothing.
    let late = Activation { activation_id: other.activation_id, ..activation("late", "hi") };
    records.record(&Arc::new(late), RecordKind::Result, None).await.unwrap();
    until_done(&bus).await;
    assert_eq!(result(&store.stored(&other).await.unwrap()), result(&other));
}

#[tokio::test]
async fn a_record_that_never_will_be_durable_is_an_error() {
    let bus = Arc::new(MemoryBus::new(MemoryOptions { max_message: 1_000, ..MemoryOptions::default() }));
    let records = shared(&bus, &Fickle::new(usize::MAX));
    let large = Arc::new(activation(&"x".repeat(2_000), "hi"));
    assert!(in_time(records.record(&large, RecordKind::Lost, None)).await.unwrap_err().lasting);
    bus.close().await;
    let error = in_time(records.record(&Arc::new(activation("no", "hi")), RecordKind::Lost, None)).await;
    assert!(error.unwrap_err().lasting);
}

/// Neither is one that its process ends too early for.
#[tokio::test]
async fn waiting_for_the_bus_ends_with_the_process() {
    let bus = Arc::new(MemoryBus::new(MemoryOptions { max_depth: 0, ..MemoryOptions::default() }));
    let records = shared(&bus, &Fickle::new(usize::MAX));
    records.stop();
    let error = in_time(records.record(&Arc::new(activation("no", "hi")), RecordKind::Lost, None)).await;
    assert!(error.unwrap_err().lasting);
}

#[test]
fn origins_tell_two_processes_apart() {
    let record = activation("no", "hi");
    let origin = |form: &PlainForm, record: &Activation| -> RecordOrigin {
        let bytes = form.encode(record, RecordKind::Result, None, 5).unwrap();
        form.admit(&bytes, 6).unwrap().origin.unwrap()
    };
    let (one, other) = (PlainForm::new(), PlainForm::new());
    let provisional = origin(&one, &without_logs(&record));
    assert!(origin(&one, &record).completes(&provisional));
    assert!(!origin(&other, &record).completes(&provisional));
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_for_what_others_store() {
    let (bus, store) = (bus(), Fickle::new(usize::MAX));
    let records = shared(&bus, &store);
    let record = activation("no", "hi");
    records.recent(Arc::new(record.clone()));
    let elsewhere = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.store(&[RecordDocument::from_activation(&record, 9)]).await.unwrap();
    };
    let begun = Instant::now();
    let (_, ()) = tokio::join!(records.caught_up(&record.namespace), elsewhere);
    let waited = begun.elapsed();
    assert!(Duration::from_millis(100) <= waited && waited < SHARED_LIST_PATIENCE, "{waited:?}");
    records.caught_up(&record.namespace).await;
    assert_eq!(begun.elapsed(), waited, "it is known to be stored");
}
