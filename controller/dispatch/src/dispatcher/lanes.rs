//! Kafka: lanes come and go, messages, notes and marks are read.

use std::collections::BTreeMap;

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::id::ActivationId;

use super::Dispatcher;
use crate::effect::Effect;
use crate::entry::{Entry, Stage, Then};
use crate::guards::Guard;
use crate::names::{Incarnation, Lane, Message, Obligation, Position, Round, Source};

/// A lane that this controller owns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneState {
    /// What was dispatched by an earlier owner is known when this one is answered.
    round: Round,
    /// Whose mark came first, and Kafka's time of it.
    marks: BTreeMap<ActivationId, (Incarnation, i64)>,
    /// Notes of controllers that live.
    pub(super) notes: BTreeMap<ActivationId, ForeignNote>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ForeignNote {
    message: Message,
    position: Position,
    pub(super) by: Incarnation,
}

impl Dispatcher {
    pub(super) fn assigned(&mut self, lane: Lane, out: &mut Vec<Effect>) {
        let round = self.begin_round(out);
        self.lanes.insert(lane, LaneState { round, marks: BTreeMap::new(), notes: BTreeMap::new() });
    }

    /// What has not gone to an invoker is the next owner's. What has is watched to its end: its result may be here first.
    pub(super) fn revoked(&mut self, lane: Lane) {
        self.lanes.remove(&lane);
        self.entries.retain(|_, entry| {
            entry.obligations.retain(|owed| !(owed.with_lane && owed.position.lane == lane));
            entry.is_owed() || entry.is_outside()
        });
    }

    pub(super) fn polled(
        &mut self,
        message: Message,
        position: Position,
        recorded: bool,
        surplus: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(lane) = self.lanes.get(&message.lane) else { return };
        let marked = message.delivery == Delivery::AtMostOnce && lane.marks.contains_key(&message.id);
        let stage = Stage::Adopting { round: lane.round, marked };
        self.take_up(message, position, stage);
        if let Some(entry) = self.entries.get_mut(&message.id) {
            entry.surplus |= surplus;
        }
        if self.guards.skips_recorded(recorded) {
            self.settle(message.id, out);
        } else {
            self.admit_if_answered(message.id, out);
        }
    }

    /// Another copy of what is known already is one more obligation of the same entry.
    fn take_up(&mut self, message: Message, position: Position, stage: Stage) {
        let entry = self.entries.entry(message.id).or_insert_with(|| Entry::new(message, stage));
        entry.attach(Obligation { position, attempt: message.attempt, with_lane: true });
    }

    pub(super) fn note_read(
        &mut self,
        message: Message,
        position: Position,
        by: Incarnation,
        recorded: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(lane) = self.lanes.get_mut(&message.lane) else { return };
        if by == self.own || self.guards.without(Guard::AdoptNotes) {
            return;
        }
        if self.guards.skips_recorded(recorded) {
            out.push(Effect::Withdraw { id: message.id, lane: message.lane });
            return;
        }
        match self.gone.get(&by) {
            Some(round) => {
                self.adopt_note(message, position, *round);
                self.admit_if_answered(message.id, out);
            }
            None => {
                lane.notes.insert(message.id, ForeignNote { message, position, by });
            }
        }
    }

    fn adopt_note(&mut self, message: Message, position: Position, round: Round) {
        // What has a note has been dispatched, or was about to be: for at-most-once that is a mark.
        let stage = Stage::Adopting { round, marked: message.delivery == Delivery::AtMostOnce };
        self.take_up(message, position, stage);
    }

    pub(super) fn note_withdrawn(&mut self, id: ActivationId) {
        for lane in self.lanes.values_mut() {
            lane.notes.remove(&id);
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.obligations.retain(|owed| !(owed.with_lane && owed.position.source == Source::Note));
            self.drop_if_unowed(id);
        }
    }

    pub(super) fn controller_gone(&mut self, by: Incarnation, out: &mut Vec<Effect>) {
        let round = self.begin_round(out);
        self.gone.insert(by, round);
        let mut orphaned = Vec::new();
        for lane in self.lanes.values_mut() {
            orphaned.extend(lane.notes.extract_if(.., |_, note| note.by == by).map(|(_, note)| note));
        }
        for note in orphaned {
            self.adopt_note(note.message, note.position, round);
            self.check_if_answered(note.message.id, out);
        }
    }

    /// The log decides who may dispatch an at-most-once activation: the writer of its first mark, and that only while it
    /// waits for that very mark.
    pub(super) fn mark_read(
        &mut self,
        lane: Lane,
        id: ActivationId,
        by: Incarnation,
        at: i64,
        out: &mut Vec<Effect>,
    ) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        let (first, _) = *state.marks.entry(id).or_insert((by, at));
        let own = self.own;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match &mut entry.stage {
            Stage::Adopting { marked, .. } | Stage::Checking { then: Then::Admit { marked } } => {
                *marked = true;
            }
            Stage::Marking if by == own && self.guards.may_dispatch_marked(first, own) => self.place(id, out),
            Stage::Marking if by == own => self.adopt_marked(id, out),
            _ => {}
        }
    }

    /// Somebody else may have dispatched it since invokers were asked: they are asked again.
    pub(super) fn adopt_marked(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let round = self.begin_round(out);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.stage = Stage::Adopting { round, marked: true };
        }
        self.check_if_answered(id, out);
    }

    pub(super) fn is_marked(&self, message: Message) -> bool {
        self.lanes.get(&message.lane).is_some_and(|lane| lane.marks.contains_key(&message.id))
    }

    /// Forgets marks from before the oldest message of the lane that is not done, since no copy of their activations can
    /// come any more. `before` is Kafka's time of that message in milliseconds, less what brokers' clocks may differ.
    pub fn forget_marks(&mut self, lane: Lane, before: i64) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.marks.retain(|_, (_, at)| *at >= before);
        }
    }
}
