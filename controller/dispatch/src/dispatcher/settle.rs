//! The ends of an entry: recorded, replaced, buried, dropped.

use oxwhisk_core::id::ActivationId;

use super::Dispatcher;
use crate::effect::Effect;
use crate::entry::Stage;
use crate::guards::Guard;
use crate::names::{Message, Obligation, RecordKind, Replacement, Source};
use crate::wire::Order;

impl Dispatcher {
    /// The record is durable: nothing is owed any more.
    pub(super) fn settle(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if entry.call.is_some() {
            out.push(Effect::Fail(id));
        }
        out.extend(entry.obligations.iter().map(|owed| ending(entry.message, owed)));
        if let Stage::Ended { invoker } | Stage::Recording { kept_by: Some(invoker), .. } = entry.stage {
            out.push(Effect::Send { invoker, order: Order::Acknowledge(id) });
        }
        out.push(Effect::Settled(id));
    }

    pub(super) fn recorded(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let strays = self.strays.extract_if(.., |(stray, _)| *stray == id);
        out.extend(strays.map(|(_, invoker)| Effect::Send { invoker, order: Order::Acknowledge(id) }));
        self.settle(id, out);
    }

    /// Ends what may end before the record is durable: nothing, with all guards.
    pub(super) fn end_early(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let guards = self.guards;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let ended = entry.obligations.extract_if(.., |owed| guards.may_end_early(owed));
        out.extend(ended.map(|owed| ending(entry.message, &owed)));
    }

    pub(super) fn replace(&mut self, id: ActivationId, by: Replacement, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.stage = Stage::Replacing { by };
        out.push(Effect::Replace { message: entry.message, by });
        if self.guards.done_before_replaced(by) {
            self.end_replaced(id, by, out);
        }
    }

    pub(super) fn replaced(&mut self, id: ActivationId, by: Replacement, out: &mut Vec<Effect>) {
        let is_awaited = self.entries.get(&id).is_some_and(|entry| entry.stage == Stage::Replacing { by });
        if !is_awaited {
            return;
        }
        self.end_replaced(id, by, out);
        let Some(entry) = self.entries.get(&id) else { return };
        match entry.is_owed() {
            // The replacement has been polled already: it goes on with that.
            true => self.admit(id, false, out),
            false => drop(self.entries.remove(&id)),
        }
    }

    fn end_replaced(&mut self, id: ActivationId, by: Replacement, out: &mut Vec<Effect>) {
        let guards = self.guards;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let ended = entry.obligations.extract_if(.., |owed| guards.is_replaced(owed, by));
        out.extend(ended.map(|owed| ending(entry.message, &owed)));
    }

    /// Its last attempt has failed. The dead letter is durable before the record that says so is written.
    pub(super) fn bury(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.stage = Stage::Burying;
        out.push(Effect::ProduceDeadLetter(entry.message));
        if self.guards.without(Guard::RecordAfterDeadLetter) {
            self.record(id, RecordKind::Exhausted, None, out);
        }
    }

    pub(super) fn buried(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        if self.entries.get(&id).is_none_or(|entry| entry.stage != Stage::Burying) {
            return;
        }
        match self.guards.without(Guard::DeadLetterIsRecorded) {
            true => self.settle(id, out),
            false => self.record(id, RecordKind::Exhausted, None, out),
        }
    }

    /// Drops an entry that is not owed and has gone nowhere.
    pub(super) fn drop_if_unowed(&mut self, id: ActivationId) {
        if self.entries.get(&id).is_some_and(|entry| !entry.is_owed() && !entry.is_outside()) {
            self.entries.remove(&id);
        }
    }

    /// Drops an entry that was only watched. Answers whether it did.
    pub(super) fn drop_if_nobodys(&mut self, id: ActivationId) -> bool {
        let is_nobodys = self.entries.get(&id).is_some_and(|entry| !entry.is_owed());
        if is_nobodys {
            self.entries.remove(&id);
        }
        is_nobodys
    }
}

fn ending(message: Message, owed: &Obligation) -> Effect {
    match owed.position.source {
        Source::Note => Effect::Withdraw { id: message.id, lane: owed.position.lane },
        Source::Queue | Source::Parked => Effect::MarkDone(owed.position),
    }
}
