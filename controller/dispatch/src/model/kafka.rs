//! What Kafka and the store do.

use oxwhisk_core::delivery::Delivery;

use super::setting::Setting;
use super::world::{Line, Operation, Seen, World, id, index, position};
use crate::event::Event;
use crate::names::{Message, RecordKind, Replacement, Source};
use crate::record::RecordOrigin;

impl World {
    /// Kafka does it, and the controller gets the answer.
    pub(super) fn answer(&mut self, setting: &Setting, c: usize, n: usize) {
        let operation = self.process(c).operations.remove(n);
        let event = match operation {
            Operation::Produce(message) => Some(Event::Submitted(message.id)),
            Operation::Replace { message, by, .. } => Some(Event::Replaced { id: message.id, by }),
            Operation::DeadLetter(message) => Some(Event::Buried(message.id)),
            Operation::Record { id: index, .. } => Some(Event::Recorded(id(index))),
            Operation::Note(message) => Some(Event::NoteDurable {
                id: message.id,
                position: position(Source::Note, self.kafka.inflight.len()),
            }),
            Operation::Mark(_) | Operation::Done(_) | Operation::Withdraw { .. } => None,
        };
        self.perform(setting, c, operation);
        if let Some(event) = event {
            self.tell(setting, c, event);
        }
    }

    pub(super) fn append_unanswered(&mut self, setting: &Setting, c: usize, n: usize) {
        let operation = self.process(c).operations[n];
        self.perform(setting, c, operation);
        if let Operation::Replace { appended, .. } = &mut self.process(c).operations[n] {
            *appended = true;
        }
    }

    pub(super) fn perform(&mut self, setting: &Setting, c: usize, operation: Operation) {
        let by = self.incarnation(c);
        match operation {
            Operation::Produce(message) => self.kafka.queue.push(message),
            Operation::Replace { appended: true, .. } => {}
            Operation::Replace { message, by: Replacement::Retry { attempt }, .. } => {
                self.history.seen.insert(Seen::Retried);
                self.kafka.queue.push(Message { attempt, ..message });
            }
            Operation::Replace { message, by: Replacement::Park { .. }, .. } => {
                self.history.seen.insert(Seen::Parked);
                self.kafka.parked.push(message);
            }
            Operation::DeadLetter(message) => self.kafka.dead_letters.push(index(message.id)),
            Operation::Record { id, kind } => {
                let record = RecordOrigin { kind, run: 100 + by.0, version: 0 };
                self.check_loss(setting, id, kind);
                self.complete(setting, id, record);
            }
            Operation::Note(message) => self.kafka.inflight.push(Line::Note { message, by }),
            Operation::Mark(message) => self.kafka.inflight.push(Line::Mark { id: index(message.id), by }),
            // The group takes commits from the owner only.
            Operation::Done(position) if self.kafka.owner == Some(c) => {
                self.kafka.done.insert(position);
            }
            Operation::Done(_) => {}
            Operation::Withdraw { id } => self.kafka.inflight.push(Line::Tombstone { id }),
        }
    }

    fn check_loss(&mut self, setting: &Setting, id: usize, kind: RecordKind) {
        match kind {
            RecordKind::Result => return,
            RecordKind::Exhausted => {
                self.history.seen.insert(Seen::Exhausted);
                return;
            }
            RecordKind::Lost => self.history.seen.insert(Seen::Lost),
        };
        let may_have_started = setting.kinds[id].blocking
            || self.kafka.inflight.iter().any(|line| matches!(line, Line::Mark { id: of, .. } if *of == id));
        let once = Self::delivery(setting, id) == Delivery::AtMostOnce;
        self.history.unstarted_loss |= !(once && may_have_started);
        let held = self.invokers.iter().filter_map(|invoker| invoker.keeper.as_ref());
        let held = held.filter(|keeper| keeper.phase(super::world::id(id)).is_some()).count() > 0;
        self.history.false_loss |= held && !self.is_recorded(id);
    }

    pub(super) fn complete(&mut self, setting: &Setting, id: usize, record: RecordOrigin) {
        self.kafka.completed.push((id, record));
        if !setting.lag {
            while self.stored < self.kafka.completed.len() {
                self.store(setting);
            }
        }
    }

    pub(super) fn store(&mut self, setting: &Setting) {
        let (id, _) = self.kafka.completed[self.stored];
        let before = self.view(setting, id, self.stored);
        self.stored += 1;
        let after = self.view(setting, id, self.stored);
        self.history.changed_view |= before.is_some() && before != after;
    }
}
