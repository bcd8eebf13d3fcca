//! What the two sides say of activations.

use oxwhisk_core::id::ActivationId;
#[cfg(feature = "server")]
use oxwhisk_core::id::Revision;
#[cfg(feature = "server")]
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_dispatch::{Ended, Held, Phase, RecordState, Refusal};
use oxwhisk_invoker_api::ChangedAction;
use oxwhisk_proto::dispatch::v1 as wire;
use oxwhisk_proto::dispatch::v1::end::Record;
use oxwhisk_proto::dispatch::v1::held::Stage;
use oxwhisk_proto::dispatch::v1::refused::Reason;

use super::Malformed;

pub(crate) fn activation_id(text: &str) -> Result<ActivationId, Malformed> {
    text.parse().map_err(|error| Malformed::new("activation id", error))
}

/// Of a resolved action: its first segment is its namespace.
#[cfg(feature = "server")]
pub(crate) fn action_name(text: &str) -> Result<FullyQualifiedName, Malformed> {
    let malformed = |error| Malformed::new("action", error);
    let namespace = text.split('/').next().unwrap_or_default();
    let namespace = EntityName::namespace(namespace).map_err(malformed)?;
    FullyQualifiedName::parse(text, &namespace).map_err(malformed)
}

#[cfg(feature = "client")]
pub(crate) fn changed_to_message(changed: &ChangedAction) -> wire::Invalidate {
    let current = changed.current.as_ref().map_or_else(String::new, |revision| revision.0.clone());
    wire::Invalidate { action: changed.id.to_string(), current_revision: current }
}

#[cfg(feature = "server")]
pub(crate) fn changed_from_message(message: wire::Invalidate) -> Result<ChangedAction, Malformed> {
    let current = Some(message.current_revision).filter(|revision| !revision.is_empty());
    Ok(ChangedAction { id: action_name(&message.action)?, current: current.map(Revision) })
}

#[cfg(feature = "server")]
pub(crate) fn end_to_message(ended: Ended) -> wire::End {
    let record = match ended.record {
        RecordState::Pending => Record::Pending,
        RecordState::Durable => Record::Durable,
        RecordState::Unwanted => Record::Unwanted,
    };
    wire::End { record: record.into(), cut_off: ended.cut_off }
}

#[cfg(feature = "client")]
pub(crate) fn end_from_message(end: Option<wire::End>) -> Result<Ended, Malformed> {
    let end = end.ok_or_else(|| Malformed::new("end", "it is not there"))?;
    let record = match end.record() {
        Record::Unspecified => return Err(Malformed::new("end", "nothing is said of the record")),
        Record::Pending => RecordState::Pending,
        Record::Durable => RecordState::Durable,
        Record::Unwanted => RecordState::Unwanted,
    };
    Ok(Ended { cut_off: end.cut_off, record })
}

#[cfg(feature = "server")]
pub(crate) fn held_to_message(held: &Held) -> wire::Held {
    let (stage, end) = match held.phase {
        Phase::Waiting => (Stage::Waiting, None),
        Phase::Started => (Stage::Started, None),
        Phase::Ended(ended) => (Stage::Ended, Some(end_to_message(ended))),
    };
    wire::Held { activation_id: held.id.to_string(), stage: stage.into(), yours: held.yours, end }
}

#[cfg(feature = "client")]
pub(crate) fn held_from_message(held: wire::Held) -> Result<Held, Malformed> {
    let phase = match held.stage() {
        Stage::Unspecified => return Err(Malformed::new("held activation", "it has no stage")),
        Stage::Waiting => Phase::Waiting,
        Stage::Started => Phase::Started,
        Stage::Ended => Phase::Ended(end_from_message(held.end)?),
    };
    Ok(Held { id: activation_id(&held.activation_id)?, phase, yours: held.yours })
}

#[cfg(feature = "server")]
pub(crate) fn refusal_to_message(why: Refusal) -> Reason {
    match why {
        Refusal::NoRoom => Reason::NoRoom,
        Refusal::Draining => Reason::Draining,
        Refusal::Full => Reason::Full,
        Refusal::Malformed => Reason::Malformed,
    }
}

#[cfg(feature = "client")]
pub(crate) fn refusal_from_message(reason: Reason) -> Refusal {
    match reason {
        Reason::Draining => Refusal::Draining,
        Reason::Full => Refusal::Full,
        Reason::Malformed => Refusal::Malformed,
        // A reason that a later release knows: it did not run, that much is said.
        Reason::NoRoom | Reason::Unspecified => Refusal::NoRoom,
    }
}
