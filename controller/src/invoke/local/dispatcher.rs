//! The durable queue's consumer: what was answered 202 runs, whatever happened to the process meanwhile.
//!
//! A message is completed only when its record is in the store (or is owed to nobody), so after a crash it comes again
//! and is skipped if the record is there. Delivery is at least once unless the action asks for at most once: then a
//! mark on `inflight` is durable before it is dispatched, and a mark found at start ends in a record of its loss.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_invoker_api::{Completion, Delivery as Guarantee, DispatchError, Kept, StorePolicy};
use oxwhisk_loadbalancer::LimitedQueue;
use oxwhisk_messaging::{BusError, Completer, Delivery, DeliveryId, Event, Message, Subscription, Topic};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Runs;
use crate::invoke::{Admitted, Readmission};

/// Messages taken off the bus at once.
const BATCH: usize = 256;
/// Messages held in memory, waiting for their turn.
const READ_AHEAD: usize = 4096;
/// Bytes of those; a batch may go beyond, which the bus bounds.
const READ_AHEAD_BYTES: usize = 64 << 20;
/// Messages at invokers at once, in all and of one namespace. Invokers queue what they have no room for.
const OUTSIDE: usize = 256;
const OUTSIDE_PER_NAMESPACE: usize = 128;
/// Pause before an invocation that no invoker took is offered again, doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Consumes one topic of invocations.
#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) runs: Arc<Runs>,
    pub(super) topic: Topic,
    /// Those that an earlier process began and that must not run twice.
    pub(super) given_up: HashSet<ActivationId>,
}

struct Waiting {
    delivery: DeliveryId,
    message: ActivationMessage,
    /// It may have been handed out before, so it may have run already.
    again: bool,
}

impl Dispatcher {
    /// Runs until `closing`; then waits for what is at invokers.
    pub(super) async fn run(
        self: Arc<Self>,
        mut subscription: Box<dyn Subscription>,
        closing: CancellationToken,
    ) {
        let completer = subscription.completer();
        let mut queue: LimitedQueue<Waiting> = LimitedQueue::new(OUTSIDE_PER_NAMESPACE);
        let mut running: JoinSet<EntityName> = JoinSet::new();
        let mut pause = RETRY_FIRST;
        loop {
            while running.len() < OUTSIDE {
                let Some((namespace, waiting)) = queue.pop() else { break };
                let work = Arc::clone(&self).settle(waiting, Arc::clone(&completer), closing.clone());
                running.spawn(async move {
                    // A defect in one dispatch must not take a place from its namespace for good.
                    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                        tracing::error!(%namespace, "a dispatch failed; its message comes again after a restart");
                    }
                    namespace
                });
            }
            tokio::select! {
                event = subscription.next(BATCH), if has_room(&queue) => match event {
                    Ok(event) => {
                        if let Event::Messages(batch) = event {
                            self.take_in(batch, &mut queue, &completer).await;
                        }
                        pause = RETRY_FIRST;
                    }
                    Err(BusError::Closed) => break,
                    Err(error) => {
                        tracing::error!(%error, "cannot read invocations from the bus");
                        if wait(&mut pause, &closing).await.is_none() {
                            break;
                        }
                    }
                },
                Some(Ok(namespace)) = running.join_next(), if !running.is_empty() => queue.done(&namespace),
                () = closing.cancelled() => break,
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Queues what is to run. Messages that were handed out before and have a record are completed instead.
    async fn take_in(
        &self,
        batch: Vec<Delivery>,
        queue: &mut LimitedQueue<Waiting>,
        completer: &Arc<dyn Completer>,
    ) {
        let mut decoded = Vec::with_capacity(batch.len());
        for delivered in batch {
            match serde_json::from_slice::<ActivationMessage>(&delivered.payload) {
                Ok(message) => {
                    decoded.push(Waiting { delivery: delivered.id, message, again: delivered.again })
                }
                Err(error) => self.bury(&delivered, &error.to_string(), completer).await,
            }
        }
        let settled = self.already_recorded(&decoded).await;
        for waiting in decoded {
            let id = &waiting.message.activation_id;
            if settled.contains(id) || self.given_up.contains(id) {
                complete(completer, waiting.delivery).await;
            } else {
                let bytes = waiting.message.arguments.get().len();
                queue.push(waiting.message.namespace.clone(), waiting, bytes);
            }
        }
    }

    async fn already_recorded(&self, batch: &[Waiting]) -> HashSet<ActivationId> {
        let asked: Vec<(EntityName, ActivationId)> = batch
            .iter()
            .filter(|waiting| waiting.again)
            .map(|waiting| (waiting.message.namespace.clone(), waiting.message.activation_id))
            .collect();
        if asked.is_empty() {
            return HashSet::new();
        }
        match self.runs.parts.activations.existing(&asked).await {
            Ok(found) => {
                asked.iter().zip(found).filter(|(_, found)| *found).map(|((_, id), _)| *id).collect()
            }
            Err(error) => {
                // Running one twice is better than losing it.
                tracing::error!(%error, "cannot tell which queued activations have run");
                HashSet::new()
            }
        }
    }

    /// Sees one message through to its record.
    async fn settle(
        self: Arc<Self>,
        waiting: Waiting,
        completer: Arc<dyn Completer>,
        closing: CancellationToken,
    ) {
        let Waiting { delivery, message, again } = waiting;
        let id = message.activation_id;
        let span = self.runs.admissions.taken_up(&message);
        let slot = self.runs.take_slot(id);
        let ended = match self.readmit(&message, &closing).await {
            Some(Readmission::Admitted(mut admitted)) => {
                admitted.set_trace(span.context());
                let slot = slot.unwrap_or_else(|| self.runs.admissions.slot(&admitted));
                let ended = self.run_to_end(&admitted, message, again, &closing).await;
                drop(slot);
                ended
            }
            Some(Readmission::Instead { record, store }) => self.keep(&record, store, &closing).await,
            Some(Readmission::Forgotten) => Ended::Unrecorded,
            Some(Readmission::Later) | None => return,
        };
        match ended {
            Ended::Recorded => self.runs.parts.records.settled(id).await,
            Ended::Unrecorded => {}
            Ended::Left => return,
        }
        complete(&completer, delivery).await;
    }

    /// What becomes of the message, waited for while the store is away. `None`: shutting down.
    async fn readmit(&self, message: &ActivationMessage, closing: &CancellationToken) -> Option<Readmission> {
        let mut pause = RETRY_FIRST;
        loop {
            match self.runs.admissions.readmit(message).await {
                Readmission::Later => wait(&mut pause, closing).await?,
                readmission => return Some(readmission),
            }
        }
    }

    async fn run_to_end(
        &self,
        admitted: &Admitted,
        message: ActivationMessage,
        again: bool,
        closing: &CancellationToken,
    ) -> Ended {
        let id = admitted.id();
        let mut pause = RETRY_FIRST;
        let marked = admitted.delivery() == Guarantee::AtMostOnce;
        while marked && let Err(error) = self.runs.produce(Topic::InFlight, &message).await {
            tracing::error!(activation_id = %id, %error, "cannot mark an activation as started");
            if wait(&mut pause, closing).await.is_none() {
                return Ended::Left;
            }
        }
        let ended = self.offer(admitted, message.attempt + u32::from(again), closing).await;
        if marked {
            if matches!(ended, Ended::Recorded) {
                self.runs.parts.records.settled(id).await;
            }
            self.runs.complete_note(id).await;
        }
        ended
    }

    /// Offers it to the invokers until one takes it.
    async fn offer(&self, admitted: &Admitted, attempt: u32, closing: &CancellationToken) -> Ended {
        let (id, store) = (admitted.id(), admitted.store());
        let mut pause = RETRY_FIRST;
        loop {
            let dispatch = match self.runs.admissions.dispatch(admitted, attempt) {
                Ok(dispatch) => dispatch,
                Err(error) => {
                    tracing::error!(activation_id = %id, %error, "cannot dispatch an activation");
                    let record = admitted.record(Response::error(Status::WhiskError, &error.to_string()));
                    return self.keep(&record, store, closing).await;
                }
            };
            match self.runs.run(dispatch).await {
                // Its queue survives the shutdown, so it runs again at the next start. One that must not keeps its record.
                Ok(Completion { cut_off: true, .. }) if admitted.delivery() == Guarantee::AtLeastOnce => {
                    return Ended::Left;
                }
                Ok(Completion { activation, cut_off: true, .. }) => {
                    return self.keep(&activation, store, closing).await;
                }
                Ok(Completion { activation, record_refused, .. }) => {
                    return match store.stores(activation.response.status) {
                        true if record_refused => self.hand_over(&activation, closing).await,
                        true => Ended::Recorded,
                        false => Ended::Unrecorded,
                    };
                }
                Err(DispatchError::Draining) => return Ended::Left,
                Err(error) => tracing::info!(activation_id = %id, %error, "an activation waits"),
            }
            if wait(&mut pause, closing).await.is_none() {
                return Ended::Left;
            }
        }
    }

    async fn keep(
        &self,
        record: &Arc<Activation>,
        policy: StorePolicy,
        closing: &CancellationToken,
    ) -> Ended {
        match self.runs.keep(record, policy) {
            Kept::Yes => Ended::Recorded,
            Kept::Unwanted => Ended::Unrecorded,
            Kept::Refused(_) => self.hand_over(record, closing).await,
        }
    }

    /// A record that was not taken is owed all the same: without it the message stays on the bus.
    async fn hand_over(&self, record: &Arc<Activation>, closing: &CancellationToken) -> Ended {
        tokio::select! {
            () = self.runs.hand_over(record) => Ended::Recorded,
            () = closing.cancelled() => Ended::Left,
        }
    }

    /// A message that nobody can read goes where a person can look at it.
    async fn bury(&self, delivered: &Delivery, reason: &str, completer: &Arc<dyn Completer>) {
        tracing::error!(
            key = delivered.key,
            reason,
            topic = self.topic.name(),
            "unreadable message, moved to the dead letters"
        );
        let letter =
            Message::new(delivered.key.clone(), delivered.payload.clone()).with_attempt(delivered.attempt);
        match self.runs.parts.bus.produce(Topic::DeadLetters, letter).await {
            Ok(()) => complete(completer, delivered.id).await,
            Err(error) => tracing::error!(key = delivered.key, %error, "cannot keep a dead letter"),
        }
    }
}

/// What became of a message.
enum Ended {
    /// Its record is on the way to the store.
    Recorded,
    /// No record is kept of it.
    Unrecorded,
    /// It did not run, or its record is not kept; it stays on the bus.
    Left,
}

fn has_room(queue: &LimitedQueue<Waiting>) -> bool {
    queue.len() < READ_AHEAD && queue.bytes() < READ_AHEAD_BYTES
}

async fn complete(completer: &Arc<dyn Completer>, delivery: DeliveryId) {
    if let Err(error) = completer.complete(&[delivery]).await {
        tracing::warn!(%error, "cannot complete a message; it comes again after a restart");
    }
}

/// Waits, longer each time. `None` when the process shuts down.
async fn wait(pause: &mut Duration, closing: &CancellationToken) -> Option<()> {
    tokio::select! {
        () = tokio::time::sleep(*pause) => {}
        () = closing.cancelled() => return None,
    }
    *pause = (*pause * 2).min(RETRY_LONGEST);
    Some(())
}
