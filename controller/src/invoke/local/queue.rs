//! What is accepted to run later.

use std::sync::{Arc, PoisonError};

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_invoker_api::DetachOnDrop;
use oxwhisk_messaging::{BusError, Message, Topic};
use tokio::runtime::Handle;

use super::Runs;
use crate::invoke::Admitted;
use crate::throttle::InFlight;

impl Runs {
    /// Goes on when the client goes: given up half-way, its slot would be kept for good.
    pub(super) async fn queue(self: &Arc<Self>, admitted: &Admitted, slot: InFlight) -> Result<(), BusError> {
        let id = admitted.id();
        let message = admitted.message();
        // Before producing: the dispatcher may have the message before `produce` returns.
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).insert(id, slot);
        let this = Arc::clone(self);
        let produce = async move {
            let produced = this.produce(Topic::Activations, &message).await;
            if produced.is_err() {
                this.take_slot(id);
            }
            produced
        };
        DetachOnDrop::new(Box::pin(produce), self.tasks.clone(), Handle::current()).await
    }

    pub(super) fn take_slot(&self, id: ActivationId) -> Option<InFlight> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    pub(super) async fn produce(&self, topic: Topic, message: &ActivationMessage) -> Result<(), BusError> {
        let payload =
            serde_json::to_vec(message).map_err(|error| BusError::Unavailable(error.to_string()))?;
        let message = Message::new(message.activation_id.to_string(), payload)
            .with_route(message.namespace.to_string())
            .with_attempt(message.attempt);
        self.parts.bus.produce(topic, message).await
    }
}
