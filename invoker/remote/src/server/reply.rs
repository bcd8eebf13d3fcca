//! What is said to controllers, in the contract's form.

use bytes::Bytes;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{Ended, Held, Refusal, Round};
use oxwhisk_invoker_api::InvokerCapacity;
use oxwhisk_invoker_api::offers::Offer;
use oxwhisk_proto::dispatch::v1 as wire;
use oxwhisk_proto::dispatch::v1::ConverseResponse;
use oxwhisk_proto::dispatch::v1::converse_response::Message;
use oxwhisk_proto::dispatch::v1::ended::Record;

use super::InvokerIdentity;
use crate::INLINE_MAX;
use crate::convert::{end_to_message, held_to_message, offer_to_message, refusal_to_message};

fn message(message: Message) -> ConverseResponse {
    ConverseResponse { message: Some(message) }
}

pub(super) fn hello(
    identity: &InvokerIdentity,
    resumed: bool,
    held: &[Held],
    capacity: InvokerCapacity,
    draining: bool,
) -> ConverseResponse {
    message(Message::Hello(wire::InvokerHello {
        invoker: identity.id.0,
        incarnation: identity.incarnation,
        resumed,
        held: held.iter().map(held_to_message).collect(),
        capacity: Some(room(capacity, draining)),
        kinds: identity.kinds.clone(),
    }))
}

fn room(capacity: InvokerCapacity, draining: bool) -> wire::Capacity {
    let InvokerCapacity { memory, busy, idle } = capacity;
    wire::Capacity { memory, busy, idle, draining }
}

pub(super) fn capacity(capacity: InvokerCapacity, draining: bool) -> ConverseResponse {
    message(Message::Capacity(room(capacity, draining)))
}

pub(super) fn offer(offer: Offer) -> ConverseResponse {
    message(Message::Offer(offer_to_message(offer)))
}

pub(super) fn ended(id: ActivationId, ended: Ended, document: Bytes, logs_follow: bool) -> ConverseResponse {
    let record = match document.len() {
        0..=INLINE_MAX => Record::Json(document),
        _ => Record::Get(true),
    };
    let activation_id = id.to_string();
    message(Message::Ended(wire::Ended {
        activation_id,
        record: Some(record),
        end: Some(end_to_message(ended)),
        logs_follow,
    }))
}

/// What is said with a refusal.
#[derive(Clone, Debug, Default)]
pub(super) struct Explanation {
    /// For people.
    pub(super) text: String,
    /// Megabytes that it would have taken.
    pub(super) memory: u64,
}

/// `free`: megabytes that a new container could get.
pub(super) fn refused(
    id: ActivationId,
    why: Refusal,
    explanation: Explanation,
    free: u64,
) -> ConverseResponse {
    let Explanation { text, memory } = explanation;
    let reason = refusal_to_message(why).into();
    message(Message::Refused(wire::Refused { activation_id: id.to_string(), reason, text, memory, free }))
}

pub(super) fn holding(round: Round, held: &[Held]) -> ConverseResponse {
    let held = held.iter().map(held_to_message).collect();
    message(Message::Holding(wire::Holding { round: round.0, held }))
}

pub(super) fn unknown(id: ActivationId) -> ConverseResponse {
    message(Message::Unknown(wire::Unknown { activation_id: id.to_string() }))
}

pub(super) fn started(id: ActivationId) -> ConverseResponse {
    message(Message::Started(wire::Started { activation_id: id.to_string() }))
}

pub(super) fn recorded(id: ActivationId) -> ConverseResponse {
    message(Message::Recorded(wire::Recorded { activation_id: id.to_string() }))
}
