//! Non-blocking invocations: answered when the bus has them.

use std::sync::Arc;

use oxwhisk_controller::{Admitted, InFlight};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_dispatch::{Effect, Event, Lane, Message};
use oxwhisk_messaging::{BusError, Message as BusMessage, Topic};

use super::Core;

pub(super) async fn submit(core: &Arc<Core>, admitted: &Admitted, slot: InFlight) -> Result<(), BusError> {
    let id = admitted.id();
    let lane = core.parts.bus.choose_lane(admitted.namespace().as_str()).await?;
    let message = Message { id, lane: Lane(lane.0), delivery: admitted.delivery(), attempt: 1 };
    {
        let mut state = core.state();
        if state.draining {
            return Err(BusError::Closed);
        }
        let effects = state.dispatcher.handle(Event::Submit(message));
        debug_assert_eq!(effects, [Effect::Produce(message)], "nothing is accepted before it is produced");
        // Its message may come to its end before the bus has answered.
        state.counts.hold(admitted, slot);
    }
    let counted_by = Some(core.config.identity.incarnation.0);
    let sent = to_bus(&ActivationMessage { counted_by, ..admitted.message() }, 1);
    let appended = match sent {
        Ok(sent) => core.parts.bus.append(Topic::Activations, lane, sent).await,
        Err(error) => Err(error),
    };
    let mut state = core.state();
    match appended {
        Ok(_) => {
            let accepted = state.dispatcher.handle(Event::Submitted(id));
            debug_assert_eq!(accepted, [Effect::Accept(id)]);
            Ok(())
        }
        Err(error) => {
            state.counts.drop_held(id);
            Err(error)
        }
    }
}

/// A message as the bus keeps it.
pub(super) fn to_bus(message: &ActivationMessage, attempt: u32) -> Result<BusMessage, BusError> {
    let payload = match message.attempt == attempt {
        true => serde_json::to_vec(message),
        false => serde_json::to_vec(&ActivationMessage { attempt, ..message.clone() }),
    };
    let payload = payload.map_err(|error| BusError::Unavailable(error.to_string()))?;
    Ok(BusMessage::new(message.activation_id.to_string(), payload)
        .with_route(message.namespace.to_string())
        .with_attempt(attempt))
}
