//! What an earlier process left unfinished, looked at once before work begins.

use std::collections::HashSet;
use std::sync::Arc;

use oxwhisk_core::entity::{Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_invoker_api::{Delivery as Guarantee, Kept};
use oxwhisk_messaging::{BusError, Event, Topic};

use super::Runs;
use crate::invoke::{Readmission, record_instead};

/// Notes looked at together.
const BATCH: usize = 256;

/// Invocations that were running when the process died, and whose ids clients know: each is run again as a new
/// attempt, or, where its action wants it at most once, recorded as lost. Answers those of the latter: their messages may
/// still be queued, and a record, which would tell that they have run, is not always kept.
///
/// # Errors
/// When the bus cannot be read: nothing was lost, and the caller may try again.
pub(super) async fn recover(runs: &Arc<Runs>) -> Result<HashSet<ActivationId>, BusError> {
    let mut given_up = HashSet::new();
    let mut subscription = runs.parts.bus.subscribe(Topic::InFlight).await?;
    let completer = subscription.completer();
    loop {
        let batch = match subscription.next(BATCH).await? {
            Event::Messages(batch) => batch,
            Event::CaughtUp(_) => return Ok(given_up),
            Event::Assigned(_) | Event::Revoked(_) | Event::Withdrawn(_) => continue,
        };
        for delivered in batch {
            let seen_to = match serde_json::from_slice::<ActivationMessage>(&delivered.payload) {
                Ok(message) => recover_one(runs, message, &mut given_up).await?,
                Err(error) => {
                    tracing::error!(key = delivered.key, %error, "unreadable note of a running activation");
                    true
                }
            };
            if seen_to {
                completer.complete(&[delivered.id]).await?;
            }
        }
    }
}

/// Says whether the note of the activation has served: else it is looked at again at the next start.
async fn recover_one(
    runs: &Arc<Runs>,
    message: ActivationMessage,
    given_up: &mut HashSet<ActivationId>,
) -> Result<bool, BusError> {
    let id = message.activation_id;
    let recorded = runs.parts.activations.existing(&[(message.namespace.clone(), id)]).await;
    if matches!(recorded.as_deref(), Ok([true])) {
        return Ok(true);
    }
    let readmission = runs.admissions.readmit(&message).await;
    let (guarantee, store) = match &readmission {
        Readmission::Admitted(admitted) => (admitted.delivery(), Some(admitted.store())),
        // The dispatcher finds out what is wrong with it, and records that.
        Readmission::Instead { .. } => (Guarantee::AtLeastOnce, None),
        // The message knows what was promised.
        Readmission::Forgotten | Readmission::Later => (message.delivery, None),
    };
    if guarantee == Guarantee::AtLeastOnce {
        // Behind what is queued already, and before the dispatcher begins: to it, this has been handed out before, which
        // makes it the next attempt.
        runs.produce(Topic::Activations, &message).await?;
        return Ok(true);
    }
    given_up.insert(id);
    let store = match (recorded, store, readmission) {
        (Ok(_), Some(store), _) => store,
        // The namespace may no longer invoke, and nobody asks for its records.
        (Ok(_), None, Readmission::Forgotten) => return Ok(true),
        (Err(error), ..) => {
            tracing::error!(activation_id = %id, %error, "cannot record that an activation was interrupted");
            return Ok(false);
        }
        (Ok(_), None, _) => {
            tracing::error!(activation_id = %id, "cannot record that an activation was interrupted");
            return Ok(false);
        }
    };
    let text = "The activation was interrupted and is not run again.";
    let record = record_instead(&message, Response::error(Status::WhiskError, text));
    let kept = runs.keep(&record, store);
    if matches!(kept, Kept::Yes) {
        runs.parts.records.settled(id).await;
    }
    Ok(!matches!(kept, Kept::Refused(_)))
}
