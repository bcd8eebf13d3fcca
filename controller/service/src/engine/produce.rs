//! What the engine writes on the bus: each a task that ends in an event.

use std::sync::Arc;

use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::record::RecordKind;
use oxwhisk_dispatch::{Event, Lane, Message, Position, Replacement, Source};
use oxwhisk_messaging::{BusError, Message as BusMessage, Partition, Topic};

use super::Core;
use super::inflight::Entry;
use super::state::State;
use super::submit::to_bus;
use crate::dead_letters;

/// Why a produce is given up.
enum GivenUp {
    /// It can never succeed.
    Never(BusError),
    /// The engine is closed: what is owed is still where it was.
    Closed,
}

impl Core {
    /// Tries once: a client waits for the answer.
    pub(super) fn produce_note(self: &Arc<Self>, state: &State, message: Message) {
        let Some(noted) = state.live.get(&message.id).and_then(|live| live.to_message()) else { return };
        let this = Arc::clone(self);
        let by = self.config.identity.incarnation;
        self.spawn(async move {
            let lane = Partition(message.lane.0);
            let appended = match Entry::note(by, &noted).encode() {
                Ok(payload) => {
                    let note = BusMessage::new(message.id.to_string(), payload).with_attempt(message.attempt);
                    this.parts.bus.append(Topic::InFlight, lane, note).await
                }
                Err(error) => Err(BusError::Unavailable(error.to_string())),
            };
            let event = match appended {
                Ok(offset) => {
                    let offset = offset.cast_signed();
                    let position = Position { source: Source::Note, lane: message.lane, offset };
                    Event::NoteDurable { id: message.id, position }
                }
                Err(error) => {
                    tracing::error!(activation_id = %message.id, %error, "the bus did not take the note of an activation");
                    Event::NoteFailed(message.id)
                }
            };
            let mut state = this.state();
            // From here on it is known by its message.
            if let Some(live) = state.live.get_mut(&message.id) {
                live.message.get_or_insert(noted);
            }
            this.handle(&mut state, event);
        });
    }

    /// It is read back like everybody's.
    pub(super) fn produce_mark(self: &Arc<Self>, message: Message) {
        let this = Arc::clone(self);
        let by = self.config.identity.incarnation;
        self.spawn(async move {
            let Ok(payload) = Entry::mark(by).encode() else { return };
            let mark =
                BusMessage::new(message.id.to_string(), payload).with_attempt(message.attempt).transient();
            let lane = Partition(message.lane.0);
            // What cannot be written is looked at again by the lane's next owner.
            let _ = this.append(Topic::InFlight, lane, mark).await;
        });
    }

    pub(super) fn replace(self: &Arc<Self>, state: &State, message: Message, by: Replacement) {
        let Some(live) = state.live.get(&message.id).and_then(|live| live.to_message()) else { return };
        let this = Arc::clone(self);
        self.spawn(async move {
            let (topic, attempt) = match by {
                Replacement::Retry { attempt } => (Topic::Activations, attempt),
                Replacement::Park { attempt } => (Topic::Parked, attempt),
            };
            let Ok(replacement) = to_bus(&live, attempt) else { return };
            match this.append(topic, Partition(message.lane.0), replacement).await {
                Ok(()) => {
                    let mut state = this.state();
                    this.handle(&mut state, Event::Replaced { id: message.id, by });
                }
                Err(GivenUp::Closed) => {}
                Err(GivenUp::Never(error)) => {
                    tracing::error!(activation_id = %message.id, %error, "an activation cannot be produced again");
                }
            }
        });
    }

    pub(super) fn bury(self: &Arc<Self>, state: &State, message: Message) {
        let Some(live) = state.live.get(&message.id).and_then(|live| live.to_message()) else { return };
        let this = Arc::clone(self);
        self.spawn(async move {
            let mut pause = this.config.retry_first;
            loop {
                let Ok(letter) = to_letter(&live, message) else { return };
                match this.parts.bus.produce(Topic::DeadLetters, letter).await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::error!(activation_id = %message.id, %error, "cannot keep a dead letter");
                        if is_final(&error) || this.pause(&mut pause).await.is_none() {
                            return;
                        }
                    }
                }
            }
            let mut state = this.state();
            this.handle(&mut state, Event::Buried(message.id));
        });
    }

    pub(super) fn withdraw(self: &Arc<Self>, id: ActivationId, lane: Lane) {
        let this = Arc::clone(self);
        self.spawn(async move {
            let (key, mut pause) = (id.to_string(), this.config.retry_first);
            while let Err(error) = this.parts.bus.withdraw_from(Partition(lane.0), &key).await {
                // Whoever reads the note finds that it has a record.
                tracing::warn!(activation_id = %id, %error, "cannot withdraw the note of an activation");
                if is_final(&error) || this.pause(&mut pause).await.is_none() {
                    return;
                }
            }
        });
    }

    pub(super) fn write_record(self: &Arc<Self>, state: &State, id: ActivationId, kind: RecordKind) {
        let live = state.live.get(&id);
        let known = live.and_then(|live| live.result.clone()).or_else(|| state.strays.get(&id).cloned());
        let record = match kind {
            RecordKind::Result => known,
            RecordKind::Lost | RecordKind::Exhausted => {
                live.and_then(|live| live.to_message()).map(|message| {
                    oxwhisk_controller::record_instead(&message, without_result(kind, message.attempt))
                })
            }
        };
        let Some(record) = record else {
            tracing::error!(activation_id = %id, ?kind, "nothing is known to make a record of");
            return;
        };
        let wanted = live.is_none_or(|live| live.store().stores(record.response.status));
        let this = Arc::clone(self);
        self.spawn(async move {
            if !wanted || this.write_until_durable(&record, kind).await {
                this.recorded(id);
            }
        });
    }

    async fn write_until_durable(&self, record: &Arc<Activation>, kind: RecordKind) -> bool {
        match self.parts.records.record(record, kind, None).await {
            Ok(()) => true,
            Err(error) => {
                let id = record.activation_id;
                tracing::error!(activation_id = %id, %error, "a record that is owed is not kept");
                false
            }
        }
    }

    /// Again and again until it is there.
    async fn append(&self, topic: Topic, lane: Partition, message: BusMessage) -> Result<(), GivenUp> {
        let mut pause = self.config.retry_first;
        loop {
            match self.parts.bus.append(topic, lane, message.clone()).await {
                Ok(_) => return Ok(()),
                Err(BusError::Closed) => return Err(GivenUp::Closed),
                Err(error) if is_final(&error) => return Err(GivenUp::Never(error)),
                Err(error) => {
                    tracing::warn!(key = message.key, topic = topic.name(), %error, "the bus did not take a message");
                }
            }
            self.pause(&mut pause).await.ok_or(GivenUp::Closed)?;
        }
    }
}

/// Trying again will not help.
const fn is_final(error: &BusError) -> bool {
    matches!(error, BusError::TooLarge { .. } | BusError::Closed)
}

/// What the record of an activation without a result says.
fn without_result(kind: RecordKind, attempts: u32) -> Response {
    let text = match kind {
        RecordKind::Exhausted => {
            format!("The activation was interrupted {attempts} times and is not run again.")
        }
        _ => "The activation was interrupted and is not run again.".to_owned(),
    };
    Response::error(Status::WhiskError, &text)
}

/// What lies among the dead letters: the message, with the lane it was in.
fn to_letter(live: &ActivationMessage, message: Message) -> Result<BusMessage, BusError> {
    // Where it is given another chance it is counted anew.
    let live = ActivationMessage { counted_by: None, ..live.clone() };
    let payload = dead_letters::encode(&live, Partition(message.lane.0))
        .map_err(|error| BusError::Unavailable(error.to_string()))?;
    Ok(BusMessage { payload: payload.into(), ..to_bus(&live, message.attempt)? })
}
