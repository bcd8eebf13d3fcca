//! Clients: accepted invocations, and blocking ones that outlive their wait.

use oxwhisk_core::id::ActivationId;

use super::Dispatcher;
use crate::effect::Effect;
use crate::entry::{Call, Entry, Stage};
use crate::guards::Guard;
use crate::names::{Message, Obligation, Position};

impl Dispatcher {
    pub(super) fn submit(&mut self, message: Message, out: &mut Vec<Effect>) {
        out.push(Effect::Produce(message));
        if self.guards.may_accept(Guard::AcceptAfterProduce, false) {
            out.push(Effect::Accept(message.id));
        }
    }

    pub(super) fn call(&mut self, message: Message, out: &mut Vec<Effect>) {
        let mut entry = Entry::new(message, Stage::Placing);
        entry.call = Some(Call::Waiting);
        self.entries.insert(message.id, entry);
        out.push(Effect::Place(message));
    }

    pub(super) fn wait_over(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.call == Some(Call::Waiting)) else {
            return;
        };
        entry.call = Some(Call::Noting);
        out.push(Effect::ProduceNote(entry.message));
        if self.guards.may_accept(Guard::AcceptAfterNote, false) {
            entry.call = None;
            out.push(Effect::Accept(id));
        }
    }

    /// The note counts for an entry that is still there. One that has been settled meanwhile has no use for it.
    pub(super) fn note_durable(&mut self, id: ActivationId, position: Position, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            out.push(Effect::Withdraw { id, lane: position.lane });
            return;
        };
        entry.attach(Obligation { position, attempt: entry.message.attempt, with_lane: false });
        if entry.call.take().is_some() {
            out.push(Effect::Accept(id));
        }
    }

    pub(super) fn note_failed(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.call.take().is_some() {
            out.push(Effect::Fail(id));
        }
        self.drop_if_unowed(id);
    }

    pub(super) fn caller_gone(&mut self, id: ActivationId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.call == Some(Call::Waiting)
        {
            entry.call = None;
            self.drop_if_unowed(id);
        }
    }
}
