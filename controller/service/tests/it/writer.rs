//! What becomes of records in envelopes: whatever comes in whatever order, what a client could read stays.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::{RecentBounds, Records};
use oxwhisk_controller_service::TicketedRecords;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_dispatch::{RecordEnvelope, RecordKind, RecordOrigin};
use oxwhisk_invoker_api::{RecordContext, RecordSink};
use oxwhisk_messaging::memory::MemoryBus;
use oxwhisk_messaging::{Bus, Message, Topic};
use oxwhisk_store::ActivationStore;
use oxwhisk_store::memory::MemoryActivationStore;
use oxwhisk_ticket::{Claims, Ticket};
use tokio::task::JoinHandle;

use crate::fixture::{claims, issuer};
use crate::records::record;

/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A run of an activation, as its invoker reports it.
pub(crate) struct Run {
    pub(crate) claims: Claims,
    pub(crate) ticket: Ticket,
    run: u64,
    result: String,
}

impl Run {
    pub(crate) fn new(claims: Claims, run: u64) -> Self {
        let ticket = issuer('A').issue(&claims).unwrap();
        let result = format!("{}/{run}", claims.attempt);
        Self { claims, ticket, run, result }
    }

    pub(crate) fn record(&self, logs: &[&str]) -> Activation {
        let response = Response::error(Status::ApplicationError, &self.result);
        let logs = logs.iter().map(|line| (*line).to_owned()).collect();
        Activation { response, logs, ..record(&self.claims) }
    }

    pub(crate) fn envelope(&self, logs: &[&str]) -> Vec<u8> {
        let record = self.record(logs);
        self.sealed(RecordOrigin::of(RecordKind::Result, self.run, &record), &record)
    }

    fn sealed(&self, origin: RecordOrigin, record: &Activation) -> Vec<u8> {
        let document = record.to_document(2);
        let envelope =
            RecordEnvelope { origin, trace: None, ticket: self.ticket.as_bytes(), document: &document };
        envelope.encode().unwrap()
    }
}

pub(crate) async fn put(bus: &dyn Bus, claims: &Claims, payload: Vec<u8>) {
    let message = Message::new(claims.activation_id.to_string(), payload);
    bus.produce(Topic::Completed, message).await.unwrap();
}

/// Of a controller; `run` is different for each.
pub(crate) fn records(bus: Arc<dyn Bus>, store: Arc<dyn ActivationStore>, run: u64) -> Arc<Records> {
    let form = TicketedRecords::new(Arc::new(issuer('A')), run);
    Arc::new(Records::shared(bus, store, Arc::new(form), RecentBounds::default()))
}

pub(crate) async fn begin(bus: &dyn Bus, records: &Arc<Records>) -> JoinHandle<()> {
    let subscription = bus.subscribe(Topic::Completed).await.unwrap();
    let records = Arc::clone(records);
    tokio::spawn(async move { records.write(subscription, tokio::sync::oneshot::channel().0).await })
}

pub(crate) async fn until_done(bus: &dyn Bus) {
    let done = async {
        while bus.depth(Topic::Completed).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, done).await.expect("everything is written");
}

pub(crate) async fn stored(store: &MemoryActivationStore, claims: &Claims) -> Option<Activation> {
    let document = store.get(&claims.namespace, claims.activation_id).await.unwrap()?;
    Some(Activation::from_document(&document).unwrap())
}

struct Rig {
    bus: Arc<MemoryBus>,
    store: Arc<MemoryActivationStore>,
    records: Arc<Records>,
    writer: JoinHandle<()>,
}

impl Rig {
    async fn start() -> Self {
        let (bus, store) = (Arc::new(MemoryBus::default()), Arc::new(MemoryActivationStore::default()));
        let records = records(Arc::clone(&bus) as _, Arc::clone(&store) as _, 100);
        let writer = begin(&*bus, &records).await;
        Self { bus, store, records, writer }
    }

    async fn put(&self, run: &Run, payload: Vec<u8>) {
        put(&*self.bus, &run.claims, payload).await;
        until_done(&*self.bus).await;
    }

    /// The result and the logs that `GET` shows now.
    async fn shown(&self, run: &Run) -> Option<(String, Vec<String>)> {
        let stored = stored(&self.store, &run.claims).await?;
        Some((stored.response.result.unwrap().get().to_owned(), stored.logs))
    }

    /// Another controller with the same bus and store.
    async fn restart(self) -> Self {
        self.records.stop();
        self.writer.await.unwrap();
        let records = records(Arc::clone(&self.bus) as _, Arc::clone(&self.store) as _, 200);
        let writer = begin(&*self.bus, &records).await;
        Self { records, writer, ..self }
    }
}

fn shows(run: &Run, logs: &[&str]) -> Option<(String, Vec<String>)> {
    let record = run.record(logs);
    Some((record.response.result.unwrap().get().to_owned(), record.logs))
}

#[tokio::test]
async fn logs_complete_their_own_runs_record_across_a_restart() {
    let rig = Rig::start().await;
    let run = Run::new(claims("guest/hello"), 1);
    let other = Run::new(Claims { attempt: 2, ..run.claims.clone() }, 2);
    rig.put(&run, run.envelope(&[])).await;
    rig.put(&run, run.envelope(&[])).await;
    assert_eq!(rig.shown(&run).await, shows(&run, &[]));
    let rig = rig.restart().await;
    rig.put(&run, other.envelope(&["theirs"])).await;
    assert_eq!(rig.shown(&run).await, shows(&run, &[]));
    rig.put(&run, run.envelope(&["late"])).await;
    rig.put(&run, run.envelope(&[])).await;
    rig.put(&run, run.envelope(&["late"])).await;
    assert_eq!(rig.shown(&run).await, shows(&run, &["late"]));
    assert_eq!(rig.records.not_admitted(), 0);
}

#[tokio::test]
async fn a_loss_and_a_result_leave_whichever_came_first() {
    let rig = Rig::start().await;
    let (ran, lost) = (Run::new(claims("guest/hello"), 1), Run::new(claims("guest/hello"), 2));
    let loss = |run: &Run| {
        let response = Response::error(Status::WhiskError, "it is lost");
        Arc::new(Activation { response, logs: Vec::new(), ..run.record(&[]) })
    };
    rig.put(&ran, ran.envelope(&[])).await;
    rig.records.record(&loss(&ran), RecordKind::Lost, None).await.unwrap();
    rig.put(&ran, ran.envelope(&["late"])).await;
    assert_eq!(rig.shown(&ran).await, shows(&ran, &["late"]));

    rig.records.record(&loss(&lost), RecordKind::Lost, Some(&lost.ticket)).await.unwrap();
    for logs in [&[][..], &["late"]] {
        rig.put(&lost, lost.envelope(logs)).await;
    }
    rig.records.record(&loss(&lost), RecordKind::Exhausted, None).await.unwrap();
    until_done(&*rig.bus).await;
    assert!(rig.shown(&lost).await.unwrap().0.contains("it is lost"));
    assert_eq!(rig.records.not_admitted(), 0);
}

/// A controller writes the result of an invoker that is gone; the invoker comes back.
#[tokio::test]
async fn a_result_that_a_controller_wrote_stays() {
    let rig = Rig::start().await;
    let run = Run::new(claims("guest/hello"), 1);
    rig.records.record(&Arc::new(run.record(&[])), RecordKind::Result, Some(&run.ticket)).await.unwrap();
    until_done(&*rig.bus).await;
    rig.put(&run, run.envelope(&["late"])).await;
    assert_eq!(rig.shown(&run).await, shows(&run, &[]));
    // What the controller has to say of an activation that is refused goes the same way as a record of an invoker.
    let refused = Run::new(claims("guest/hello"), 2);
    rig.records.accept(&Arc::new(refused.record(&[])), RecordContext::default()).unwrap();
    until_done(&*rig.bus).await;
    assert_eq!(rig.shown(&refused).await, shows(&refused, &[]));
}

#[tokio::test]
async fn forged_swapped_and_replayed_envelopes_change_nothing() {
    let rig = Rig::start().await;
    let run = Run::new(claims("guest/hello"), 1);
    let later = Run::new(Claims { attempt: 2, ..run.claims.clone() }, 1);
    let strange = Run::new(claims("guest/hello"), 3);
    rig.put(&run, run.envelope(&[])).await;
    let most = |run: u64| RecordOrigin { kind: RecordKind::Result, run, version: u32::MAX };

    // Under keys that no controller has; of another activation's ticket; cut; with bits turned.
    let record = Activation { logs: vec!["changed".to_owned()], ..run.record(&[]) };
    let forged = Run { ticket: issuer('I').issue(&run.claims).unwrap(), ..Run::new(run.claims.clone(), 1) };
    let whole = run.envelope(&["changed"]);
    let mut turned = whole.clone();
    turned[40] ^= 1;
    let refused = [
        forged.sealed(most(1), &record),
        strange.sealed(most(1), &record),
        whole[..whole.len() - 1].to_vec(),
        whole[..9].to_vec(),
        turned,
        Vec::new(),
    ];
    let count = refused.len() as u64;
    for payload in refused {
        rig.put(&run, payload).await;
    }
    assert_eq!(rig.records.not_admitted(), count);
    assert_eq!(rig.shown(&run).await, shows(&run, &[]));

    // The ticket of a later attempt admits a record, and does not make it the first run's.
    rig.put(&run, later.sealed(most(1), &record)).await;
    // Shown again, also under another key of the bus.
    rig.put(&run, run.envelope(&[])).await;
    rig.put(&strange, run.envelope(&[])).await;
    assert_eq!(rig.records.not_admitted(), count);
    assert_eq!(rig.shown(&run).await, shows(&run, &[]));
    assert_eq!(rig.shown(&strange).await, None);
}
