//! A controller's side of the protocol.
//!
//! One [`Entry`] for each activation that this controller owes or watches. [`Dispatcher::handle`] takes what happened
//! and says what to do about it; the order of the effects is the order in which they are to be begun.

mod calls;
mod fleet;
mod lanes;
mod run;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use oxwhisk_core::id::{ActivationId, InvokerId};

use crate::effect::Effect;
use crate::entry::Entry;
use crate::event::Event;
use crate::guards::Guards;
use crate::names::{Incarnation, Lane, Round};
use crate::wire::Phase;
use fleet::Contact;
use lanes::LaneState;

/// What one controller process knows and owes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispatcher {
    own: Incarnation,
    max_attempts: u32,
    guards: Guards,
    draining: bool,
    entries: BTreeMap<ActivationId, Entry>,
    /// Results that arrived and that this controller does not owe (any more), and the invokers that keep them.
    strays: BTreeSet<(ActivationId, InvokerId)>,
    lanes: BTreeMap<Lane, LaneState>,
    invokers: BTreeMap<InvokerId, Contact>,
    /// Questions that not all invokers have answered.
    rounds: BTreeMap<Round, BTreeSet<InvokerId>>,
    last_round: Round,
    /// What invokers said that they hold and that was not dispatched from here. It may have changed since, so it is
    /// acted on by asking ([`crate::Order::Attach`]).
    hints: BTreeMap<ActivationId, (InvokerId, Phase)>,
    /// Controllers that have ended, with the round that was begun then.
    gone: BTreeMap<Incarnation, Round>,
}

impl Dispatcher {
    /// `max_attempts`: how often an activation may begin, at least 1.
    #[must_use]
    pub fn new(own: Incarnation, max_attempts: u32, guards: Guards) -> Self {
        Self {
            own,
            max_attempts,
            guards,
            draining: false,
            entries: BTreeMap::new(),
            strays: BTreeSet::new(),
            lanes: BTreeMap::new(),
            invokers: BTreeMap::new(),
            rounds: BTreeMap::new(),
            last_round: Round::default(),
            hints: BTreeMap::new(),
            gone: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn entry(&self, id: ActivationId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether work may be sent to the invoker: its welcome has been read on the stream that is up.
    #[must_use]
    pub fn is_ready(&self, invoker: InvokerId) -> bool {
        self.invokers.get(&invoker) == Some(&Contact::Ready)
            || self.guards.without(crate::Guard::DispatchAfterWelcome)
    }

    /// Whether somebody's note is waiting for the end of the controller `by`.
    #[must_use]
    pub fn watches_notes_of(&self, by: Incarnation) -> bool {
        self.lanes.values().any(|lane| lane.notes.values().any(|note| note.by == by))
    }

    /// Whether this controller was told that another one has ended.
    #[must_use]
    pub fn knows_gone(&self, by: Incarnation) -> bool {
        self.gone.contains_key(&by)
    }

    /// A controller that was taken for ended is there after all: what it notes from now on is its own again. What was taken
    /// over from it stays so, which is harmless: whoever runs it tells both.
    pub fn controller_back(&mut self, by: Incarnation) {
        self.gone.remove(&by);
    }

    /// Whether nothing is owed, asked or awaited.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.strays.is_empty() && self.rounds.is_empty()
    }

    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Submit(message) => self.submit(message, &mut out),
            Event::Submitted(id) => out.push(Effect::Accept(id)),
            Event::Call(message) => self.call(message, &mut out),
            Event::WaitOver(id) => self.wait_over(id, &mut out),
            Event::CallerGone(id) => self.caller_gone(id),
            Event::NoteDurable { id, position } => self.note_durable(id, position, &mut out),
            Event::NoteFailed(id) => self.note_failed(id, &mut out),
            Event::Assigned(lane) => self.assigned(lane, &mut out),
            Event::Revoked(lane) => self.revoked(lane),
            Event::Polled { message, position, recorded, surplus } => {
                self.polled(message, position, recorded, surplus, &mut out);
            }
            Event::NoteRead { message, position, by, recorded } => {
                self.note_read(message, position, by, recorded, &mut out);
            }
            Event::NoteWithdrawn(id) => self.note_withdrawn(id),
            Event::MarkRead { lane, id, by, at } => self.mark_read(lane, id, by, at, &mut out),
            Event::ControllerGone(by) => self.controller_gone(by, &mut out),
            Event::Checked { id, recorded } => self.checked(id, recorded, &mut out),
            Event::Turn(id) => self.turn(id, &mut out),
            Event::Placed { id, invoker } => self.placed(id, invoker, &mut out),
            Event::Replaced { id, by } => self.replaced(id, by, &mut out),
            Event::Buried(id) => self.buried(id, &mut out),
            Event::Recorded(id) => self.recorded(id, &mut out),
            Event::InvokerKnown(invoker) => self.invoker_known(invoker),
            Event::StreamBroken(invoker) => self.stream_broken(invoker, &mut out),
            Event::InvokerGone(invoker) => self.invoker_gone(invoker, &mut out),
            Event::Said { invoker, said } => self.said(invoker, said, &mut out),
            Event::Drain => self.draining = true,
        }
        out
    }
}
