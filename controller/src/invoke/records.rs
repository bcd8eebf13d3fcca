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
use oxwhisk_store::{ActivationStore, RecordDocument};
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
    fn accept(&self, record: &Arc<Activation>) -> Result<(), RecordError> {
        let produced = match self.produce(record) {
            // As JSON, logs may take several times what their own limit counts.
            Err(BusError::TooLarge { size, limit }) if !record.logs.is_empty() => {
                tracing::warn!(activation_id = %record.activation_id, size, limit, "a record is kept without its logs");
                self.produce(&Arc::new(without_logs(record, limit)))
            }
            produced => produced,
        };
        produced.map_err(|error| RecordError {
            lasting: matches!(error, BusError::TooLarge { .. } | BusError::Closed),
            reason: error.to_string(),
        })
    }
}

fn without_logs(record: &Activation, limit: usize) -> Activation {
    let line = format!("Logs were left out because the record exceeds the limit of {limit} bytes.");
    Activation { logs: vec![line], ..record.clone() }
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
        while let Err(error) = self.store.store(&records).await {
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
