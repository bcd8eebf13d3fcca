//! What an earlier process left unfinished, looked at once before work begins.

use std::sync::Arc;

use oxwhisk_core::entity::{Response, Status};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_invoker_api::Delivery as Guarantee;
use oxwhisk_messaging::{BusError, Topic};
use oxwhisk_store::ActivationStore;

use crate::auth::Authenticator;
use crate::invoke::dispatch::delivery;
use crate::invoke::service::{Invocations, fallback_record};

/// Invocations that were running when the process died, and whose ids clients know: each is run again as a new
/// attempt, or, where its action wants it at most once, recorded as lost.
///
/// # Errors
/// When the bus cannot be read: nothing was lost, and the caller may try again.
pub(crate) async fn recover(
    invocations: &Arc<Invocations>,
    authenticator: &Authenticator,
    activations: &Arc<dyn ActivationStore>,
) -> Result<u64, BusError> {
    let left = invocations.bus.depth(Topic::InFlight).await?;
    if left == 0 {
        return Ok(0);
    }
    let mut subscription = invocations.bus.subscribe(Topic::InFlight).await?;
    let completer = subscription.completer();
    let mut seen = 0;
    while seen < left {
        let batch = subscription.next(usize::try_from(left - seen).unwrap_or(usize::MAX).min(256)).await?;
        seen += batch.len() as u64;
        for delivered in batch {
            match serde_json::from_slice::<ActivationMessage>(&delivered.payload) {
                Ok(message) => recover_one(invocations, authenticator, activations, message).await?,
                Err(error) => {
                    tracing::error!(key = delivered.key, %error, "unreadable note of a running activation")
                }
            }
            completer.complete(&[delivered.id]).await?;
        }
    }
    Ok(seen)
}

async fn recover_one(
    invocations: &Arc<Invocations>,
    authenticator: &Authenticator,
    activations: &Arc<dyn ActivationStore>,
    mut message: ActivationMessage,
) -> Result<(), BusError> {
    let id = message.activation_id;
    let known_record = activations.existing(&[(message.namespace.clone(), id)]).await;
    if known_record.is_ok_and(|found| found == [true]) {
        return Ok(());
    }
    let guarantee = match invocations.actions.find(&message.action).await {
        Ok(Some(known)) => delivery(&known),
        // The dispatcher finds out what is wrong with it, and records that.
        _ => Guarantee::AtLeastOnce,
    };
    if guarantee == Guarantee::AtLeastOnce {
        message.attempt += 1;
        return invocations.produce(Topic::Activations, &message).await;
    }
    if let Ok(Some(caller)) = authenticator.of_namespace(&message.namespace).await {
        let text = "The activation was interrupted and is not run again.";
        let response = Response::error(Status::WhiskError, text);
        let record = fallback_record(&caller, &message.action, id, message.received, response);
        if invocations.keep(&Arc::new(record), invocations.store_policy(&caller, &message)) {
            invocations.records.settled(id).await;
        }
    }
    Ok(())
}
