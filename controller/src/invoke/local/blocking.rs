//! Blocking invocations: run in the task of their request, and beyond it if they take longer than the client waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_invoker_api::{
    Completion, Delivery, DetachOnDrop, DispatchError, Kept, RecordContext, RecordSink, StorePolicy,
};
use oxwhisk_messaging::Topic;
use tokio::runtime::Handle;

use super::Runs;
use crate::invoke::{Admitted, Called, Refused};
use crate::throttle::InFlight;

/// Records that may wait to be handed over; with more than that, blocking calls are refused before they run.
const OWED: usize = 64;
/// Pause before a record that was not taken is handed over again, doubled up to the longest.
const HAND_OVER_FIRST: Duration = Duration::from_millis(50);
const HAND_OVER_LONGEST: Duration = Duration::from_secs(5);

/// An invocation whose client was told its id and waits no more.
struct Accepted {
    message: ActivationMessage,
    delivery: Delivery,
    store: StorePolicy,
}

const REFUSED: Refused = Refused { status: StatusCode::SERVICE_UNAVAILABLE, text: None };

impl Runs {
    pub(super) async fn call(
        self: &Arc<Self>,
        admitted: Admitted,
        slot: InFlight,
        wait: Duration,
    ) -> Result<Called, Refused> {
        if self.owed.load(Ordering::Relaxed) >= OWED {
            return Err(REFUSED);
        }
        let store = admitted.store();
        let dispatch = match self.admissions.dispatch(&admitted, 1) {
            Ok(dispatch) => dispatch,
            Err(error) => {
                tracing::error!(action = %admitted.action, %error, "cannot dispatch an activation");
                let record = admitted.record(Response::error(Status::WhiskError, &error.to_string()));
                self.keep(&record, store);
                return Ok(Called::Ended(record));
            }
        };
        let this = Arc::clone(self);
        let run = async move {
            let ended = this.run(dispatch).await;
            drop(slot);
            ended
        };
        let mut run = DetachOnDrop::new(Box::pin(run), self.tasks.clone(), Handle::current());
        match tokio::time::timeout(wait, &mut run).await {
            Ok(Ok(Completion { activation, cut_off, record_refused, .. })) => {
                if cut_off {
                    // The caller is told so, and nobody else waits for it.
                    self.keep(&activation, store);
                }
                if record_refused {
                    // The answer discloses the id.
                    let (this, activation) = (Arc::clone(self), Arc::clone(&activation));
                    self.tasks.spawn(async move { this.hand_over(&activation).await });
                }
                Ok(Called::Ended(activation))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "an activation was refused");
                Err(REFUSED)
            }
            Err(_elapsed) => {
                let (message, delivery) = (admitted.message(), admitted.delivery());
                self.outlive(run, Accepted { message, delivery, store }).await?;
                Ok(Called::Accepted)
            }
        }
    }

    /// The client learns the id and nothing else, so from now on a record is owed: the invocation is noted durably
    /// before the answer, and goes on in a task of its own.
    async fn outlive(
        self: &Arc<Self>,
        run: DetachOnDrop<Result<Completion, DispatchError>>,
        Accepted { message, delivery, store }: Accepted,
    ) -> Result<(), Refused> {
        let noted = self.produce(Topic::InFlight, &message).await;
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let id = message.activation_id;
            match run.await {
                // Its note survives the shutdown, so it runs again at the next start.
                Ok(Completion { cut_off: true, .. }) if delivery == Delivery::AtLeastOnce => {}
                Ok(Completion { activation, record_refused, cut_off, .. }) => {
                    if record_refused || (cut_off && matches!(this.keep(&activation, store), Kept::Refused(_))) {
                        this.hand_over(&activation).await;
                    }
                    this.note_done(&activation).await;
                }
                Err(error) => {
                    // Nobody ran it, so it is still owed: queued like a non-blocking one.
                    tracing::warn!(activation_id = %id, %error, "an accepted activation was refused, queueing it");
                    if let Err(error) = this.produce(Topic::Activations, &message).await {
                        tracing::error!(activation_id = %id, %error, "cannot queue an accepted activation");
                        return;
                    }
                    this.complete_note(id).await;
                }
            }
        });
        noted.map_err(|error| {
            tracing::error!(%error, "the bus did not take the note of an activation");
            REFUSED
        })
    }

    async fn note_done(&self, activation: &Activation) {
        self.parts.records.settled(activation.activation_id).await;
        self.complete_note(activation.activation_id).await;
    }

    pub(super) async fn complete_note(&self, id: ActivationId) {
        if let Err(error) = self.parts.bus.withdraw(Topic::InFlight, &id.to_string()).await {
            // It comes again after a restart and is found to have a record.
            tracing::warn!(activation_id = %id, %error, "cannot mark an activation as done");
        }
    }

    /// Hands over a record that is owed to somebody, again and again until it is taken, or never can be.
    pub(super) async fn hand_over(&self, activation: &Arc<Activation>) {
        let _owed = Owed::begin(&self.owed);
        let mut pause = HAND_OVER_FIRST;
        while let Err(error) = self.parts.records.accept(activation, RecordContext::default()) {
            tracing::error!(activation_id = %activation.activation_id, %error, "a record that is owed is not kept");
            if error.lasting {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(HAND_OVER_LONGEST);
        }
    }

    /// Hands a record over to be stored, if `policy` wants it.
    pub(super) fn keep(&self, activation: &Arc<Activation>, policy: StorePolicy) -> Kept {
        let kept = policy.keep(&*self.parts.records, activation, RecordContext::default());
        if let Kept::Refused(error) = &kept {
            tracing::error!(activation_id = %activation.activation_id, %error, "cannot keep a record");
        }
        kept
    }
}

/// Counts one record for as long as it is owed, also if whoever waits for that gives up.
struct Owed<'a>(&'a AtomicUsize);

impl<'a> Owed<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
