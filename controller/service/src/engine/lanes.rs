//! Consuming lanes: messages, notes and marks become events.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::{Event, Incarnation, Lane, Message, Position, Source, is_surplus, may_return};
use oxwhisk_messaging::{
    BusError, LaneEvent, LaneMessage, LaneSubscription, Message as BusMessage, Partition, Topic, Wanted,
};

use super::Core;
use super::inflight::Entry;
use super::live::Live;
use super::parked::ParkedMessage;
use super::read::{Read, decode_in_flight, read_message};
use super::state::{Note, State};
use super::step::Due;

/// Messages taken off a lane at once.
const BATCH: usize = 256;
/// Between two looks for marks that nobody needs any more.
const SWEEP: Duration = Duration::from_secs(60);
/// By how many milliseconds the clocks of the bus's servers may differ.
const CLOCKS_DIFFER: i64 = 300_000;

pub(super) async fn consume(core: Arc<Core>) {
    let listened = core.closing.run_until_cancelled(tokio::time::sleep(core.config.discovery)).await;
    if listened.is_none() {
        return;
    }
    let Some(mut subscription) = core.subscribe().await else { return };
    let _ = core.lanes.set(subscription.control());
    let mut pause = core.config.retry_first;
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let wanted = core.wanted_now();
        let event = tokio::select! {
            _ = sweep.tick() => {
                core.forget_old_marks();
                continue;
            }
            () = core.closing.cancelled() => break,
            // What is wanted may have changed.
            () = core.wanted.notified() => continue,
            event = subscription.next(wanted, BATCH) => event,
        };
        match event {
            Ok(event) => {
                pause = core.config.retry_first;
                core.take(event).await;
            }
            Err(BusError::Closed) => break,
            Err(error) => {
                tracing::error!(%error, "cannot read lanes");
                if core.pause(&mut pause).await.is_none() {
                    break;
                }
            }
        }
    }
    // What runs is seen to its end first: until then the lanes are kept, so that nobody takes it up.
    core.closed.cancelled().await;
    drop(subscription);
}

impl Core {
    async fn subscribe(&self) -> Option<Box<dyn LaneSubscription>> {
        let mut pause = self.config.retry_first;
        loop {
            match self.parts.bus.subscribe_lanes().await {
                Ok(subscription) => return Some(subscription),
                Err(BusError::Closed) => return None,
                Err(error) => tracing::error!(%error, "cannot consume lanes"),
            }
            self.pause(&mut pause).await?;
        }
    }

    /// What there is room for; whoever makes some more tells.
    fn wanted_now(&self) -> Wanted {
        let mut state = self.state();
        let wanted = self.wanted_in(&state);
        state.told = wanted;
        wanted
    }

    pub(super) fn wanted_in(&self, state: &State) -> Wanted {
        let (most, bytes) = (self.config.read_ahead, self.config.read_ahead_bytes);
        Wanted {
            activations: !state.draining && state.read < most && state.read_bytes < bytes,
            parked: !state.draining && state.parked.len() < most && state.parked.bytes() < bytes,
        }
    }

    async fn take(self: &Arc<Self>, event: LaneEvent) {
        match event {
            LaneEvent::Assigned(lane) => {
                let mut state = self.state();
                state.owned.push(Lane(lane.0));
                self.handle(&mut state, Event::Assigned(Lane(lane.0)));
            }
            LaneEvent::Messages { topic, messages } => self.take_messages(topic, messages).await,
            LaneEvent::InFlight(entries) => self.take_in_flight(entries).await,
            LaneEvent::CaughtUp(lane) => tracing::debug!(lane = lane.0, "a lane was read to its end"),
            LaneEvent::Barrier(barrier) => {
                let mut state = self.state();
                self.passed(&mut state, barrier);
            }
            LaneEvent::Revoked(lane) => self.revoke(Lane(lane.0)),
        }
    }

    fn revoke(self: &Arc<Self>, lane: Lane) {
        let mut state = self.state();
        state.owned.retain(|owned| *owned != lane);
        state.parked.revoke(lane);
        state.notes.retain(|_, note| note.lane != lane);
        self.handle(&mut state, Event::Revoked(lane));
    }

    async fn take_messages(self: &Arc<Self>, topic: Topic, messages: Vec<LaneMessage>) {
        let source = if topic == Topic::Parked { Source::Parked } else { Source::Queue };
        let mut read = Vec::with_capacity(messages.len());
        for message in messages {
            match read_message(&message, source) {
                Ok(message) => read.push(message),
                Err(error) => self.bury_unreadable(topic, message, &error).await,
            }
        }
        let asked: Vec<(EntityName, ActivationId)> = read
            .iter()
            .filter(|read| read.again || source == Source::Parked)
            .map(|read| (read.payload.namespace.clone(), read.message.id))
            .collect();
        let recorded: HashSet<ActivationId> = self.recorded_among(&asked).await.into_iter().collect();
        let mut state = self.state();
        let mut due = Due::new();
        for read in read {
            let recorded = recorded.contains(&read.message.id);
            if source == Source::Parked && !state.live.contains_key(&read.message.id) {
                let Read { payload, message, position, bytes, .. } = read;
                state.parked.push(ParkedMessage {
                    message,
                    positions: vec![position],
                    recorded,
                    payload,
                    bytes,
                });
            } else {
                let surplus = source == Source::Queue && self.is_surplus(&state, &read.payload.namespace);
                self.polled(&mut state, read, recorded, surplus);
            }
        }
        self.unpark(&mut state, &mut due);
        self.handle_all(&mut state, due);
    }

    fn insert_message(&self, state: &mut State, payload: Arc<ActivationMessage>, bytes: usize) {
        let counted_by = state
            .counts
            .counter_of(&payload, |by| !state.dispatcher.knows_gone(by) && self.parts.others.is_present(by));
        let id = payload.activation_id;
        let live = Live::message(payload, bytes, self.config.retry_first);
        state.insert(id, Live { counted_by, ..live });
    }

    fn is_surplus(&self, state: &State, namespace: &EntityName) -> bool {
        is_surplus(self.config.parking, state.backlog_of(namespace), state.parked.len_of(namespace))
    }

    fn polled(self: &Arc<Self>, state: &mut State, read: Read, recorded: bool, surplus: bool) {
        let Read { payload, message, position, bytes, .. } = read;
        let id = message.id;
        // An earlier owner may have parked it, and lost the lane before it could say that this one is done.
        let parked = state.parked.take(id, &payload.namespace);
        match state.live.get_mut(&id) {
            // Another copy of what is known already.
            Some(live) => drop(live.message.get_or_insert(payload)),
            None => self.insert_message(state, payload, bytes),
        }
        let mut due = Due::from([Event::Polled { message, position, recorded, surplus }]);
        due.extend(parked.iter().flat_map(ParkedMessage::polled));
        self.handle_all(state, due);
    }

    /// Gives parked messages back to namespaces that have little queued.
    pub(super) fn unpark(&self, state: &mut State, due: &mut Due) {
        loop {
            let mut parked = std::mem::take(&mut state.parked);
            let back = parked.pop(|namespace| may_return(self.config.parking, state.backlog_of(namespace)));
            state.parked = parked;
            let Some(parked) = back else { return };
            due.extend(parked.polled());
            if !state.live.contains_key(&parked.message.id) {
                self.insert_message(state, parked.payload, parked.bytes);
            }
        }
    }

    async fn take_in_flight(self: &Arc<Self>, entries: Vec<LaneMessage>) {
        let decoded: Vec<(LaneMessage, Option<Entry<'static>>)> =
            entries.into_iter().filter_map(decode_in_flight).collect();
        let noted = decoded.iter().filter_map(|(entry, read)| {
            let note = read.as_ref()?.note.as_ref()?;
            entry.again.then(|| (note.namespace.clone(), note.activation_id))
        });
        let asked: Vec<(EntityName, ActivationId)> = noted.collect();
        let recorded: HashSet<ActivationId> = self.recorded_among(&asked).await.into_iter().collect();
        let mut state = self.state();
        for (entry, read) in decoded {
            let Ok(id) = entry.key.parse::<ActivationId>() else { continue };
            let lane = Lane(entry.lane.0);
            let event = match read {
                None => {
                    state.notes.remove(&id);
                    Event::NoteWithdrawn(id)
                }
                Some(Entry { by, note: None }) => {
                    Event::MarkRead { lane, id, by: Incarnation(by), at: entry.at }
                }
                Some(Entry { by, note: Some(message) }) => {
                    let by = Incarnation(by);
                    let payload = Arc::new(message.into_owned());
                    let message = Message { id, lane, delivery: payload.delivery, attempt: entry.attempt };
                    let position =
                        Position { source: Source::Note, lane, offset: entry.offset.cast_signed() };
                    let recorded = recorded.contains(&id);
                    self.notice_dead(&mut state, by);
                    if by != self.config.identity.incarnation && !recorded {
                        self.keep_note(&mut state, id, Note { by, lane, message: payload });
                    }
                    Event::NoteRead { message, position, by, recorded }
                }
            };
            self.handle(&mut state, event);
        }
    }

    /// A note may be of a controller that had ended before this one began: nobody told of its end here, and nobody will.
    fn notice_dead(self: &Arc<Self>, state: &mut State, by: Incarnation) {
        let known = by == self.config.identity.incarnation || state.dispatcher.knows_gone(by);
        if !known && !self.parts.others.is_present(by) {
            tracing::info!(incarnation = by.0, "a controller that is not there any more has left notes");
            state.revive_notes_of(by);
            self.handle(state, Event::ControllerGone(by));
        }
    }

    /// Its writer may be dead already: then it is taken up at once.
    fn keep_note(&self, state: &mut State, id: ActivationId, note: Note) {
        if state.dispatcher.knows_gone(note.by) && !state.live.contains_key(&id) {
            state.insert(id, Live::message(note.message, 0, self.config.retry_first));
        } else {
            state.notes.insert(id, note);
        }
    }

    /// A message that nobody can read goes where a person can look at it.
    async fn bury_unreadable(&self, topic: Topic, message: LaneMessage, error: &str) {
        let LaneMessage { lane, offset, key, attempt, payload, .. } = message;
        tracing::error!(key, error, topic = topic.name(), "unreadable message, moved to the dead letters");
        let letter = BusMessage::new(key.clone(), payload.unwrap_or_default()).with_attempt(attempt);
        match self.parts.bus.produce(Topic::DeadLetters, letter).await {
            Ok(()) => self.done(topic, lane, offset),
            Err(error) => tracing::error!(key, %error, "cannot keep a dead letter"),
        }
    }

    fn done(&self, topic: Topic, lane: Partition, offset: u64) {
        if let Some(lanes) = self.lanes.get() {
            lanes.done(topic, lane, offset);
        }
    }

    /// Marks of what no copy can come of any more are forgotten.
    fn forget_old_marks(&self) {
        let Some(lanes) = self.lanes.get() else { return };
        let mut state = self.state();
        for lane in state.owned.clone() {
            let oldest = lanes.oldest(Partition(lane.0)).unwrap_or_else(super::step::now_ms);
            state.dispatcher.forget_marks(lane, oldest - CLOCKS_DIFFER);
        }
    }
}
