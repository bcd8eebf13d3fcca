//! From the bus into the store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_messaging::{BusError, Delivery, Event, Subscription};
use oxwhisk_store::{RecordDocument, Refusal, StoreError};
use oxwhisk_trace::{Span, SpanKind};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Records;
use crate::clock;

/// Records written in one transaction at most.
const BATCH: usize = 500;
/// Records read before other tasks get their turn.
const PORTION: usize = 32;
/// Pause after a transaction that was not full: a transaction costs as much as dozens of records, and until then
/// records are safe on the bus and found in memory.
const LINGER: Duration = Duration::from_millis(10);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// How often a writer without work looks for recent results that are too old.
const IDLE: Duration = Duration::from_secs(30);

/// The writer is to end before its records are stored. They stay on the bus.
struct Stopped;

/// What is to be stored of a batch, and the spans of those in it that are traced.
struct Taken {
    records: Vec<RecordDocument>,
    spans: Vec<Span>,
}

impl Records {
    /// Writes records until the bus closes, or [`Records::stop`]. What an earlier process left is written first;
    /// `caught_up` is told when those are in the store. Where other processes write as well, this one may never have any
    /// of them, and `caught_up` is told at once.
    ///
    /// Partitions may come and go meanwhile. What is in hand of one that went is stored all the same: it is stored
    /// elsewhere once more, in the same order, which changes nothing.
    pub async fn write(&self, mut subscription: Box<dyn Subscription>, caught_up: oneshot::Sender<()>) {
        let completer = subscription.completer();
        let mut caught_up = Some(caught_up);
        if self.is_shared() {
            tell(&mut caught_up);
        }
        loop {
            let batch = match self.next(&mut *subscription).await {
                Some(Ok(Event::Messages(batch))) => batch,
                Some(Ok(Event::CaughtUp(_))) => {
                    tell(&mut caught_up);
                    continue;
                }
                Some(Ok(Event::Assigned(_) | Event::Revoked(_) | Event::Withdrawn(_))) => continue,
                None | Some(Err(BusError::Closed)) => return,
                Some(Err(error)) => {
                    tracing::error!(%error, "cannot read records from the bus");
                    if self.stopping.run_until_cancelled(tokio::time::sleep(RETRY_LONGEST)).await.is_none() {
                        return;
                    }
                    continue;
                }
            };
            let Taken { records, mut spans } = self.admitted(&batch).await;
            if let Err(Stopped) = self.store(records).await {
                spans.iter_mut().for_each(|span| span.fail(|| "the writer was stopped before"));
                return;
            }
            drop(spans);
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

    /// The next event; `None` when the writer is to stop.
    async fn next(&self, subscription: &mut dyn Subscription) -> Option<Result<Event, BusError>> {
        loop {
            let next = tokio::time::timeout(IDLE, subscription.next(BATCH));
            if let Ok(event) = self.stopping.run_until_cancelled(next).await? {
                return Some(event);
            }
            if let Some(mut recent) = self.recent_results() {
                recent.shrink(Instant::now());
            }
        }
    }

    /// What is to be stored of a batch. The rest is reported and then done: looking at it again would not make it better.
    async fn admitted(&self, batch: &[Delivery]) -> Taken {
        let now = clock::now_ms();
        let admit = |delivery: &Delivery| match self.form.admit(&delivery.payload, now) {
            Ok(record) => Some(record),
            Err(error) => {
                self.not_admitted.fetch_add(1, Ordering::Relaxed);
                tracing::error!(key = delivery.key, %error, "a record on the bus is not admitted, and left out");
                None
            }
        };
        let mut taken = Taken { records: Vec::with_capacity(batch.len()), spans: Vec::new() };
        for portion in batch.chunks(PORTION) {
            for delivery in portion {
                let Some(record) = admit(delivery) else { continue };
                taken.spans.extend(self.span(delivery, &record));
                taken.records.push(record);
            }
            // Calls are served by the same thread.
            tokio::task::yield_now().await;
        }
        taken
    }

    /// From when a record came until it is stored.
    fn span(&self, delivery: &Delivery, record: &RecordDocument) -> Option<Span> {
        let tracer = self.tracer.get().filter(|tracer| tracer.is_on())?;
        let sent = self.form.trace(&delivery.payload)?;
        let mut span = tracer.remote_child("completed process", SpanKind::Consumer, Some(sent));
        span.set("openwhisk.activation_id", || record.activation_id.to_string());
        Some(span)
    }

    /// Stores records, again and again until the store has them all.
    async fn store(&self, records: Vec<RecordDocument>) -> Result<(), Stopped> {
        let mut pause = RETRY_FIRST;
        let mut shorter: Option<Vec<RecordDocument>> = None;
        loop {
            let wanted = shorter.as_deref().unwrap_or(&records);
            if wanted.is_empty() {
                break;
            }
            match self.stopping.run_until_cancelled(self.store.store(wanted)).await.ok_or(Stopped)? {
                Ok(()) => break,
                Err(StoreError::Refused(refusals)) => shorter = Some(shortened(wanted, &refusals)),
                Err(error) => {
                    tracing::error!(%error, records = records.len(), "cannot store records, trying again");
                    self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await.ok_or(Stopped)?;
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
        self.are_stored(&records);
        Ok(())
    }

    fn are_stored(&self, records: &[RecordDocument]) {
        if let Some(mut recent) = self.recent_results() {
            records.iter().for_each(|record| recent.forget(record.activation_id));
        }
        let mut pending = self.pending_records();
        for record in records {
            self.subtract(&mut pending, record.activation_id);
        }
        drop(pending);
        self.stored.notify_waiters();
    }

    /// Ends the writer, although its records may not be stored: they stay on the bus. And nobody tries any longer to get
    /// records there.
    pub fn stop(&self) {
        self.stopping.cancel();
    }
}

fn tell(caught_up: &mut Option<oneshot::Sender<()>>) {
    if let Some(caught_up) = caught_up.take() {
        // Nobody may wait for it.
        caught_up.send(()).ok();
    }
}

/// What is stored instead of records that never will be. It is shorter each time, so that it comes to an end.
fn shortened(records: &[RecordDocument], refusals: &[Refusal]) -> Vec<RecordDocument> {
    let shorter = |refusal: &Refusal| {
        let id = refusal.activation_id;
        let is_it = |record: &&RecordDocument| {
            record.activation_id == id
                && record.namespace == refusal.namespace
                && record.origin == refusal.origin
        };
        let shorter = records.iter().find(is_it)?.shortened(&refusal.reason);
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
