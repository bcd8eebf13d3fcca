//! What an earlier process left unfinished, looked at once before work begins.

use std::collections::HashSet;
use std::sync::Arc;

use oxwhisk_core::entity::{Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_invoker_api::{Delivery as Guarantee, Kept};
use oxwhisk_messaging::{BusError, Event, Topic};
use oxwhisk_store::ActivationStore;

use crate::auth::Authenticator;
use crate::invoke::dispatch::delivery;
use crate::invoke::service::{Invocations, fallback_record};

/// Notes looked at together.
const BATCH: usize = 256;

/// Invocations that were running when the process died, and whose ids clients know: each is run again as a new
/// attempt, or, where its action wants it at most once, recorded as lost. Answers those of the latter: their messages may
/// still be queued, and a record, which would tell that they have run, is not always kept.
///
/// # Errors
/// When the bus cannot be read: nothing was lost, and the caller may try again.
pub(crate) async fn recover(
    invocations: &Arc<Invocations>,
    authenticator: &Authenticator,
    activations: &Arc<dyn ActivationStore>,
) -> Result<HashSet<ActivationId>, BusError> {
    let mut given_up = HashSet::new();
    let mut subscription = invocations.bus.subscribe(Topic::InFlight).await?;
    let completer = subscription.completer();
    loop {
        let batch = match subscription.next(BATCH).await? {
            Event::Messages(batch) => batch,
            Event::CaughtUp(_) => return Ok(given_up),
            Event::Assigned(_) | Event::Revoked(_) | Event::Withdrawn(_) => continue,
        };
        for delivered in batch {
            let seen_to = match serde_json::from_slice::<ActivationMessage>(&delivered.payload) {
                Ok(message) => {
                    recover_one(invocations, authenticator, activations, message, &mut given_up).await?
                }
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
    invocations: &Arc<Invocations>,
    authenticator: &Authenticator,
    activations: &Arc<dyn ActivationStore>,
    message: ActivationMessage,
    given_up: &mut HashSet<ActivationId>,
) -> Result<bool, BusError> {
    let id = message.activation_id;
    let recorded = activations.existing(&[(message.namespace.clone(), id)]).await;
    if matches!(recorded.as_deref(), Ok([true])) {
        return Ok(true);
    }
    let guarantee = match invocations.actions.find(&message.action).await {
        Ok(Some(known)) => delivery(&known),
        // The dispatcher finds out what is wrong with it, and records that.
        _ => Guarantee::AtLeastOnce,
    };
    if guarantee == Guarantee::AtLeastOnce {
        // Behind what is queued already, and before the dispatcher begins: to it, this has been handed out before, which
        // makes it the next attempt.
        invocations.produce(Topic::Activations, &message).await?;
        return Ok(true);
    }
    given_up.insert(id);
    let caller = match (recorded, authenticator.of_namespace(&message.namespace).await) {
        (Ok(_), Ok(Some(caller))) => caller,
        // The namespace may no longer invoke, and nobody asks for its records.
        (Ok(_), Ok(None)) => return Ok(true),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(activation_id = %id, %error, "cannot record that an activation was interrupted");
            return Ok(false);
        }
    };
    let text = "The activation was interrupted and is not run again.";
    let response = Response::error(Status::WhiskError, text);
    let record = fallback_record(&caller, &message.action, id, message.received, response);
    let kept = invocations.keep(&Arc::new(record), invocations.store_policy(&caller, &message));
    if matches!(kept, Kept::Yes) {
        invocations.records.settled(id).await;
    }
    Ok(!matches!(kept, Kept::Refused(_)))
}
