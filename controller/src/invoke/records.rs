//! Records on their way to the store.
//!
//! Where this process alone writes, an invoker hands a record over and may then answer: the record survives the death of
//! this process, since the bus has it, and is found by `GET` at once, since it is kept here until the store has it. Among
//! several processes each writes the records of some partitions, whoever put them there; what this process has heard of
//! is kept for a while ([`Records::recent`]), and the store is asked before it is believed for long.

mod form;
mod recent;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::record::RecordKind;
use oxwhisk_invoker_api::{RecordContext, RecordError, RecordSink};
use oxwhisk_messaging::{Bus, BusError, Receipt, Topic};
use oxwhisk_store::{ActivationStore, StoreError};
use oxwhisk_ticket::Ticket;
use oxwhisk_trace::Tracer;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use form::PlainForm;
pub use form::{NotAdmittable, RecordForm};
pub use recent::RecentBounds;
use recent::{Heard, Recent};

/// Longest wait of a list for records on their way.
const LIST_PATIENCE: Duration = Duration::from_millis(250);
/// The same where others store records.
const SHARED_LIST_PATIENCE: Duration = Duration::from_secs(2);
/// Records that a list waits for at once, and the pause between two looks for them.
const AWAITED_AT_ONCE: usize = 256;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Longest wait for a store that is asked for a record of which a recent result is at hand.
const GET_PATIENCE: Duration = Duration::from_secs(1);
/// Pause before a record that the bus did not take is offered again, doubled up to the longest.
const OFFER_FIRST: Duration = Duration::from_millis(50);
const OFFER_LONGEST: Duration = Duration::from_secs(5);

/// The record sink of a controller, and the writer behind it.
#[derive(Debug)]
pub struct Records {
    bus: Arc<dyn Bus>,
    store: Arc<dyn ActivationStore>,
    form: Arc<dyn RecordForm>,
    /// Handed over and not yet stored, where nobody else stores records.
    pending: Mutex<HashMap<ActivationId, Pending>>,
    /// Where others store records, too.
    recent: Option<Mutex<Recent>>,
    /// Records handed over by this process, and those of them that are stored. They are stored in order.
    accepted: AtomicU64,
    written: AtomicU64,
    /// Messages that were no records, or that nobody vouches for.
    not_admitted: AtomicU64,
    /// Told after every write.
    stored: Notify,
    /// Somebody waits for what is pending.
    hurry: Notify,
    stopping: CancellationToken,
    /// Off until it is told another.
    tracer: OnceLock<Tracer>,
}

#[derive(Debug)]
struct Pending {
    /// The most complete version.
    record: Arc<Activation>,
    /// Versions handed over and not yet stored: one with its logs may follow one without.
    versions: u32,
}

/// A record that was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// On its way to the store.
    Record(Arc<Activation>),
    /// As the store has it.
    Document(String),
}

impl RecordSink for Records {
    fn accept(&self, record: &Arc<Activation>, of: RecordContext<'_>) -> Result<(), RecordError> {
        // Taken is all that is asked for: a bus whose receipts wait is another process.
        self.offer(record, RecordKind::Result, of.ticket).map(drop)
    }
}

impl Records {
    /// Of the only process that stores records, on a bus of its own.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>, store: Arc<dyn ActivationStore>) -> Self {
        Self::with(bus, store, Arc::new(PlainForm::new()), None)
    }

    /// Of one of several processes that share a bus's partitions and a store.
    #[must_use]
    pub fn shared(
        bus: Arc<dyn Bus>,
        store: Arc<dyn ActivationStore>,
        form: Arc<dyn RecordForm>,
        recent: RecentBounds,
    ) -> Self {
        Self::with(bus, store, form, Some(recent))
    }

    fn with(
        bus: Arc<dyn Bus>,
        store: Arc<dyn ActivationStore>,
        form: Arc<dyn RecordForm>,
        recent: Option<RecentBounds>,
    ) -> Self {
        Self {
            bus,
            store,
            form,
            pending: Mutex::new(HashMap::new()),
            recent: recent.map(|bounds| Mutex::new(Recent::new(bounds))),
            accepted: AtomicU64::new(0),
            written: AtomicU64::new(0),
            not_admitted: AtomicU64::new(0),
            stored: Notify::new(),
            hurry: Notify::new(),
            stopping: CancellationToken::new(),
            tracer: OnceLock::new(),
        }
    }

    /// Has the writer tell of what it stores, in the trace that it belongs to. The first one stays.
    pub(crate) fn trace_with(&self, tracer: &Tracer) {
        // A second one is of the same process, and records into the same sink.
        let _ = self.tracer.set(tracer.clone());
    }

    /// Records that this process handed over, and those of them that are stored.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.accepted.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }

    /// Messages on `completed` that were not stored, since nobody vouches for them.
    #[must_use]
    pub fn not_admitted(&self) -> u64 {
        self.not_admitted.load(Ordering::Relaxed)
    }

    /// Puts a record on the bus that is owed to somebody, and returns when it is as durable there as the topic promises,
    /// however long the bus is away. Without a ticket this controller vouches for the record itself. Given up half-way,
    /// the record may be on its way all the same.
    ///
    /// # Errors
    /// When it never will be: the bus is closed, or the record too large.
    pub async fn record(
        &self,
        record: &Arc<Activation>,
        kind: RecordKind,
        ticket: Option<&Ticket>,
    ) -> Result<(), RecordError> {
        let mut pause = OFFER_FIRST;
        let receipt = loop {
            let error = match self.offer(record, kind, ticket) {
                Ok(receipt) => break receipt,
                Err(error) if error.lasting => return Err(error),
                Err(error) => error,
            };
            tracing::warn!(activation_id = %record.activation_id, %error, "a record waits for the bus");
            let waited = self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await;
            waited.ok_or_else(|| of_bus(&BusError::Closed))?;
            pause = (pause * 2).min(OFFER_LONGEST);
        };
        receipt.wait().await.map_err(|error| of_bus(&error))
    }

    /// A result that an invoker told this controller, and that the store may not have yet: whoever gets it as an answer
    /// finds its record. Passed over where records are found until they are stored anyway.
    pub fn recent(&self, record: Arc<Activation>) {
        if let Some(mut recent) = self.recent_results() {
            recent.insert(record, Instant::now());
        }
    }

    /// A record that this process has and the store may not have yet; what the store has is at least as good.
    #[must_use]
    pub fn pending(&self, namespace: &EntityName, id: ActivationId) -> Option<Arc<Activation>> {
        self.unstored(namespace, id).or_else(|| self.heard(namespace, id).map(|heard| heard.record))
    }

    fn unstored(&self, namespace: &EntityName, id: ActivationId) -> Option<Arc<Activation>> {
        let pending = self.pending_records();
        let record = &pending.get(&id)?.record;
        (record.namespace == *namespace).then(|| Arc::clone(record))
    }

    fn heard(&self, namespace: &EntityName, id: ActivationId) -> Option<Heard> {
        self.recent_results()?.get(namespace, id, Instant::now())
    }

    /// A record as it is now: one that nobody else can have stored, one that has just been heard of, what the store has,
    /// or, where that has nothing or does not say, what was heard of some time ago.
    ///
    /// # Errors
    /// As [`ActivationStore::get`].
    pub(crate) async fn find(
        &self,
        namespace: &EntityName,
        id: ActivationId,
    ) -> Result<Option<Found>, StoreError> {
        if let Some(record) = self.unstored(namespace, id) {
            return Ok(Some(Found::Record(record)));
        }
        let stored = self.store.get(namespace, id);
        let Some(Heard { record, is_fresh }) = self.heard(namespace, id) else {
            return Ok(stored.await?.map(Found::Document));
        };
        if is_fresh {
            return Ok(Some(Found::Record(record)));
        }
        match tokio::time::timeout(GET_PATIENCE, stored).await {
            Ok(Ok(Some(document))) => {
                if let Some(mut recent) = self.recent_results() {
                    recent.forget(id);
                }
                return Ok(Some(Found::Document(document)));
            }
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::warn!(activation_id = %id, %error, "a record is shown as it was heard of");
            }
        }
        Ok(Some(Found::Record(record)))
    }

    /// Waits until every record of `id` that was handed over is in the store. Where others store records, nobody knows,
    /// and it does not wait.
    pub(crate) async fn settled(&self, id: ActivationId) {
        loop {
            let stored = self.stored.notified();
            tokio::pin!(stored);
            stored.as_mut().enable();
            if !self.pending_records().contains_key(&id) {
                return;
            }
            stored.await;
        }
    }

    /// Waits, not longer than a list may take, until what was handed over before now is in the store: lists come from
    /// there, and whoever has just got an answer expects to find its record. Where others store records, that is what this
    /// process has heard of in the namespace.
    pub(crate) async fn caught_up(&self, namespace: &EntityName) {
        if self.is_shared() {
            // A store that is slow or away delays lists by this much and no more.
            let _ = tokio::time::timeout(SHARED_LIST_PATIENCE, self.all_stored(namespace)).await;
            return;
        }
        let accepted = self.accepted.load(Ordering::Acquire);
        let written = async {
            loop {
                let stored = self.stored.notified();
                tokio::pin!(stored);
                stored.as_mut().enable();
                if self.written.load(Ordering::Acquire) >= accepted {
                    return;
                }
                self.hurry.notify_one();
                stored.await;
            }
        };
        // A store that is slow or away delays lists by this much and no more: they may lag behind.
        let _ = tokio::time::timeout(LIST_PATIENCE, written).await;
    }

    /// Waits until the store has the recent results of a namespace.
    async fn all_stored(&self, namespace: &EntityName) {
        loop {
            let awaited = match self.recent_results() {
                Some(recent) => recent.awaited(namespace, AWAITED_AT_ONCE, Instant::now()),
                None => return,
            };
            if awaited.is_empty() {
                return;
            }
            let asked: Vec<_> = awaited.iter().map(|id| (namespace.clone(), *id)).collect();
            // A store that does not answer is as good as one that has none of them.
            let stored = self.store.existing(&asked).await.unwrap_or_default();
            let found = awaited.iter().zip(stored).filter(|(_, stored)| *stored).map(|(id, _)| *id);
            if let Some(mut recent) = self.recent_results() {
                recent.confirm(found);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Offers a record to the bus, without its logs if those make it too large.
    fn offer(
        &self,
        record: &Arc<Activation>,
        kind: RecordKind,
        ticket: Option<&Ticket>,
    ) -> Result<Receipt, RecordError> {
        let whole = self.form.encode(record, kind, ticket, clock::now_ms())?;
        let produced = match self.produce(record, whole) {
            // As JSON, logs may take several times what their own limit counts.
            Err(BusError::TooLarge { size, limit }) if !record.logs.is_empty() => {
                tracing::warn!(activation_id = %record.activation_id, size, limit, "a record is kept without its logs");
                let record = Arc::new(record.stripped_of_logs(limit));
                let shorter = self.form.encode(&record, kind, ticket, clock::now_ms())?;
                self.produce(&record, shorter)
            }
            produced => produced,
        };
        produced.map_err(|error| of_bus(&error))
    }

    fn produce(&self, record: &Arc<Activation>, payload: Vec<u8>) -> Result<Receipt, BusError> {
        let key = record.activation_id.to_string();
        // Before producing: the writer may have stored it before `produce` returns.
        if self.is_shared() {
            self.recent(Arc::clone(record));
            return self.bus.produce_now(Topic::Completed, &key, payload);
        }
        self.add(record);
        let produced = self.bus.produce_now(Topic::Completed, &key, payload);
        if produced.is_err() {
            self.subtract(&mut self.pending_records(), record.activation_id);
        }
        produced
    }

    /// Whether other processes store records, too.
    fn is_shared(&self) -> bool {
        self.recent.is_some()
    }

    fn add(&self, record: &Arc<Activation>) {
        let mut pending = self.pending_records();
        self.accepted.fetch_add(1, Ordering::Release);
        let entry = pending
            .entry(record.activation_id)
            .or_insert_with(|| Pending { record: Arc::clone(record), versions: 0 });
        entry.versions += 1;
        // One without logs that is handed over late is not the one that stays.
        if !record.logs.is_empty() {
            entry.record = Arc::clone(record);
        }
    }

    fn subtract(&self, pending: &mut HashMap<ActivationId, Pending>, id: ActivationId) {
        if let Entry::Occupied(mut entry) = pending.entry(id) {
            self.written.fetch_add(1, Ordering::Release);
            entry.get_mut().versions -= 1;
            if entry.get().versions == 0 {
                entry.remove();
            }
        }
    }

    fn pending_records(&self) -> MutexGuard<'_, HashMap<ActivationId, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_results(&self) -> Option<MutexGuard<'_, Recent>> {
        Some(self.recent.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn of_bus(error: &BusError) -> RecordError {
    RecordError {
        lasting: matches!(error, BusError::TooLarge { .. } | BusError::Closed),
        reason: error.to_string(),
    }
}
