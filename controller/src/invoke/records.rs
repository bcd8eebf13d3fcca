//! Records on their way to the store.
//!
//! An invoker hands a record over and may then answer: the record survives the death of this process, since the bus
//! has it, and is found by `GET` at once, since it is kept here until the store has it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_invoker_api::{RecordError, RecordSink};
use oxwhisk_messaging::{Bus, BusError, Delivery, Event, Subscription, Topic};
use oxwhisk_store::{ActivationStore, RecordDocument, Refusal, StoreError};
use oxwhisk_ticket::Ticket;
use tokio::sync::Notify;

use crate::clock;

/// Records written in one transaction at most.
const BATCH: usize = 500;
/// Pause after a transaction that was not full: a transaction costs as much as dozens of records, and until then
/// records are safe on the bus and found in memory.
const LINGER: Duration = Duration::from_millis(10);
/// Longest wait of a list for records on their way.
const LIST_PATIENCE: Duration = Duration::from_millis(250);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// The record sink of a controller, and the writer behind it.
#[derive(Debug)]
pub struct Records {
    bus: Arc<dyn Bus>,
    store: Arc<dyn ActivationStore>,
    /// Handed over and not yet stored.
    pending: Mutex<HashMap<ActivationId, Pending>>,
    /// Records handed over by this process, and those of them that are stored. They are stored in order.
    accepted: AtomicU64,
    written: AtomicU64,
    /// Told after every write.
    stored: Notify,
    /// Somebody waits for what is pending.
    hurry: Notify,
}

#[derive(Debug)]
struct Pending {
    /// The latest version.
    record: Arc<Activation>,
    /// Versions handed over and not yet stored: one with its logs may follow one without.
    versions: u32,
}

impl RecordSink for Records {
    fn accept(&self, record: &Arc<Activation>, _ticket: Option<&Ticket>) -> Result<(), RecordError> {
        let produced = match self.produce(record) {
            // As JSON, logs may take several times what their own limit counts.
            Err(BusError::TooLarge { size, limit }) if !record.logs.is_empty() => {
                tracing::warn!(activation_id = %record.activation_id, size, limit, "a record is kept without its logs");
                self.produce(&Arc::new(record.stripped_of_logs(limit)))
            }
            produced => produced,
        };
        produced.map_err(|error| RecordError {
            lasting: matches!(error, BusError::TooLarge { .. } | BusError::Closed),
            reason: error.to_string(),
        })
    }
}

/// What is stored instead of records that never will be. It is shorter each time, so that it comes to an end.
fn shortened(records: &[RecordDocument], refusals: &[Refusal]) -> Vec<RecordDocument> {
    let shorter = |refusal: &Refusal| {
        let id = refusal.activation_id;
        // Of several versions the last is the one to keep.
        let is_it =
            |record: &&RecordDocument| record.activation_id == id && record.namespace == refusal.namespace;
        let shorter = records.iter().rev().find(is_it)?.shortened(&refusal.reason);
        match &shorter {
            Some(_) => tracing::warn!(activation_id = %id, reason = refusal.reason, "a record is shortened"),
            None => {
                tracing::error!(activation_id = %id, reason = refusal.reason, "a record cannot be stored")
            }
        }
        shorter
    };
    refusals.iter().filter_map(shorter).collect()
}

impl Records {
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>, store: Arc<dyn ActivationStore>) -> Self {
        Self {
            bus,
            store,
            pending: Mutex::new(HashMap::new()),
            accepted: AtomicU64::new(0),
            written: AtomicU64::new(0),
            stored: Notify::new(),
            hurry: Notify::new(),
        }
    }

    /// Records that this process handed over, and those of them that are stored.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.accepted.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }

    fn produce(&self, record: &Arc<Activation>) -> Result<(), BusError> {
        let document = RecordDocument::encode_activation(record, clock::now_ms());
        let key = record.activation_id.to_string();
        // Before producing: the writer may have stored it before `produce` returns.
        self.add(record);
        let produced = self.bus.produce_now(Topic::Completed, &key, document);
        if produced.is_err() {
            self.subtract(&mut self.lock(), record.activation_id);
        }
        produced.map(drop)
    }

    fn add(&self, record: &Arc<Activation>) {
        let mut pending = self.lock();
        self.accepted.fetch_add(1, Ordering::Release);
        let entry = pending
            .entry(record.activation_id)
            .or_insert_with(|| Pending { record: Arc::clone(record), versions: 0 });
        entry.versions += 1;
        entry.record = Arc::clone(record);
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

    fn lock(&self) -> MutexGuard<'_, HashMap<ActivationId, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record that the store may not have yet.
    pub(crate) fn pending(&self, namespace: &EntityName, id: ActivationId) -> Option<Arc<Activation>> {
        let pending = self.lock();
        let record = &pending.get(&id)?.record;
        (record.namespace == *namespace).then(|| Arc::clone(record))
    }

    /// Waits until every record of `id` that was handed over is in the store.
    pub(crate) async fn settled(&self, id: ActivationId) {
        loop {
            let stored = self.stored.notified();
            tokio::pin!(stored);
            stored.as_mut().enable();
            if !self.lock().contains_key(&id) {
                return;
            }
            stored.await;
        }
    }

    /// Waits, not longer than a list may take, until what was handed over before now is in the store: lists come from
    /// there, and whoever has just got an answer expects to find its record.
    pub(crate) async fn caught_up(&self) {
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

    /// Writes records until the bus closes. What an earlier process left is written first; `caught_up` is told when
    /// those are in the store.
    pub(crate) async fn write(
        &self,
        mut subscription: Box<dyn Subscription>,
        caught_up: tokio::sync::oneshot::Sender<()>,
    ) {
        let completer = subscription.completer();
        let mut caught_up = Some(caught_up);
        loop {
            let batch = match subscription.next(BATCH).await {
                Ok(Event::Messages(batch)) => batch,
                Ok(Event::CaughtUp(_)) => {
                    if let Some(caught_up) = caught_up.take() {
                        caught_up.send(()).ok();
                    }
                    continue;
                }
                Ok(Event::Assigned(_) | Event::Revoked(_) | Event::Withdrawn(_)) => continue,
                Err(BusError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "cannot read records from the bus");
                    tokio::time::sleep(RETRY_LONGEST).await;
                    continue;
                }
            };
            self.store(decode(&batch)).await;
            let ids: Vec<_> = batch.iter().map(|delivery| delivery.id).collect();
            if let Err(error) = completer.complete(&ids).await {
                tracing::warn!(%error, "cannot complete records; they are written once more after a restart");
            }
            if batch.len() < BATCH && caught_up.is_none() {
                // Too early or too late is all the same.
                let _ = tokio::time::timeout(LINGER, self.hurry.notified()).await;
            }
        }
    }

    async fn store(&self, records: Vec<RecordDocument>) {
        let mut pause = RETRY_FIRST;
        let mut shorter = None;
        while let Err(error) = self.store.store(shorter.as_deref().unwrap_or(&records)).await {
            if let StoreError::Refused(refusals) = &error {
                shorter = Some(shortened(shorter.as_deref().unwrap_or(&records), refusals));
                continue;
            }
            tracing::error!(%error, records = records.len(), "cannot store records, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_LONGEST);
        }
        let mut pending = self.lock();
        for record in &records {
            self.subtract(&mut pending, record.activation_id);
        }
        drop(pending);
        self.stored.notify_waiters();
    }
}

fn decode(batch: &[Delivery]) -> Vec<RecordDocument> {
    let read = |delivery: &Delivery| match RecordDocument::decode(&delivery.payload) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!(key = delivery.key, %error, "unreadable record on the bus, left out");
            None
        }
    };
    batch.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use oxwhisk_core::entity::{Response, Status};
    use oxwhisk_core::parameters::Parameters;
    use oxwhisk_core::version::Version;
    use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
    use oxwhisk_store::ActivationQuery;
    use oxwhisk_store::memory::MemoryActivationStore;

    use super::*;

    /// A store that takes no document of more than this many bytes.
    #[derive(Debug)]
    struct Strict(MemoryActivationStore, usize);

    #[async_trait]
    impl ActivationStore for Strict {
        async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
            let (taken, refused): (Vec<_>, Vec<_>) =
                records.iter().cloned().partition(|record| record.document.len() <= self.1);
            self.0.store(&taken).await?;
            let refusal = |record: RecordDocument| Refusal {
                namespace: record.namespace,
                activation_id: record.activation_id,
                reason: "too large".to_owned(),
            };
            let refusals: Vec<_> = refused.into_iter().map(refusal).collect();
            if refusals.is_empty() { Ok(()) } else { Err(StoreError::Refused(refusals)) }
        }

        async fn get(&self, of: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError> {
            self.0.get(of, id).await
        }

        async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError> {
            self.0.existing(ids).await
        }

        async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
            self.0.summaries(query).await
        }

        async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
            self.0.documents(query).await
        }

        async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
            self.0.count(query).await
        }
    }

    fn activation(message: &str, log: &str) -> Activation {
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

    #[tokio::test]
    async fn records_that_the_store_refuses_are_stored_shorter_and_hold_up_no_others() {
        let bus = Arc::new(MemoryBus::new(MemoryOptions::default()));
        let store = Arc::new(Strict(MemoryActivationStore::default(), 1_000));
        let records = Records::new(bus, Arc::clone(&store) as Arc<dyn ActivationStore>);
        let long = "x".repeat(2_000);
        let all = [activation("no", "hi"), activation("no", &long), activation(&long, &long)];
        records.store(all.iter().map(|record| RecordDocument::from_activation(record, 9)).collect()).await;
        let mut stored = Vec::new();
        for record in &all {
            let text =
                store.get(&record.namespace, record.activation_id).await.unwrap().expect("every record");
            stored.push(Activation::from_document(&text).unwrap());
        }
        let result = |n: usize| stored[n].response.result.as_ref().unwrap().get().to_owned();
        assert_eq!((stored[0].logs[0].as_str(), result(0).as_str()), ("hi", r#"{"error":"no"}"#));
        assert_eq!(result(1), r#"{"error":"no"}"#);
        assert!(stored[1].logs[0].contains("too large"), "{:?}", stored[1].logs);
        assert!(result(2).contains("the result cannot be stored: too large"), "{}", result(2));
    }
}
