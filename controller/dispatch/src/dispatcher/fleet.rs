//! Invokers: who is there, and what they hold.

use oxwhisk_core::id::{ActivationId, InvokerId};

use super::Dispatcher;
use crate::effect::Effect;
use crate::entry::Stage;
use crate::guards::Guard;
use crate::names::{RecordKind, Round};
use crate::wire::{Held, Order, Phase};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Contact {
    /// Known, and no welcome was read on a stream that is up.
    Silent,
    Ready,
    Gone,
}

impl Dispatcher {
    pub(super) fn invoker_known(&mut self, invoker: InvokerId) {
        self.invokers.entry(invoker).or_insert(Contact::Silent);
    }

    /// Whether the invoker was taken for dead, and has not come back.
    #[must_use]
    pub fn is_gone(&self, invoker: InvokerId) -> bool {
        self.invokers.get(&invoker) == Some(&Contact::Gone)
    }

    /// Asks every invoker that is not gone what it holds; those without a stream are asked when they have one.
    pub(super) fn begin_round(&mut self, out: &mut Vec<Effect>) -> Round {
        self.last_round.0 += 1;
        let round = self.last_round;
        let asked: Vec<InvokerId> = self
            .invokers
            .iter()
            .filter(|(_, contact)| **contact != Contact::Gone)
            .map(|(invoker, _)| *invoker)
            .collect();
        for invoker in &asked {
            if self.invokers[invoker] == Contact::Ready {
                out.push(Effect::Send { invoker: *invoker, order: Order::Ask(round) });
            }
        }
        if !asked.is_empty() {
            self.rounds.insert(round, asked.into_iter().collect());
        }
        round
    }

    pub(super) fn is_answered(&self, round: Round) -> bool {
        !self.rounds.contains_key(&round) || self.guards.without(Guard::AwaitAnswers)
    }

    /// One invoker need not be waited for any more in the rounds up to `last`; `None`: in all.
    fn answered(&mut self, invoker: InvokerId, last: Option<Round>, out: &mut Vec<Effect>) {
        self.rounds.retain(|round, waiting| {
            if last.is_none_or(|last| *round <= last) {
                waiting.remove(&invoker);
            }
            !waiting.is_empty()
        });
        let adopting: Vec<ActivationId> = self
            .entries
            .values()
            .filter(|entry| matches!(entry.stage, Stage::Adopting { .. }))
            .map(|entry| entry.message.id)
            .collect();
        for id in adopting {
            self.check_if_answered(id, out);
        }
    }

    pub(super) fn holding(&mut self, invoker: InvokerId, round: Round, held: &[Held], out: &mut Vec<Effect>) {
        self.note_hints(invoker, held);
        let last = (!self.guards.without(Guard::AnswerOfThisRound)).then_some(round);
        self.answered(invoker, last, out);
    }

    fn note_hints(&mut self, invoker: InvokerId, held: &[Held]) {
        self.hints.retain(|_, (at, _)| *at != invoker);
        self.hints.extend(held.iter().map(|held| (held.id, (invoker, held.phase))));
    }

    pub(super) fn welcome(
        &mut self,
        invoker: InvokerId,
        resumed: bool,
        held: &[Held],
        out: &mut Vec<Effect>,
    ) {
        self.invokers.insert(invoker, Contact::Ready);
        self.note_hints(invoker, held);
        for (round, waiting) in &self.rounds {
            if waiting.contains(&invoker) {
                out.push(Effect::Send { invoker, order: Order::Ask(*round) });
            }
        }
        if self.guards.without(Guard::AnswerOfThisRound) {
            self.answered(invoker, None, out);
        }
        self.compare(invoker, resumed, held, out);
        for held in held.iter().filter(|held| held.yours && matches!(held.phase, Phase::Ended(_))) {
            // Its end is told once more, and then seen to.
            let attach = Effect::Send { invoker, order: Order::Attach(held.id) };
            if !self.strays.contains(&(held.id, invoker)) && !out.contains(&attach) {
                out.push(attach);
            }
        }
    }

    /// What was sent to the invoker is there, or never arrived, or nobody knows.
    fn compare(&mut self, invoker: InvokerId, resumed: bool, held: &[Held], out: &mut Vec<Effect>) {
        for (id, adopted) in self.sent_to(invoker) {
            if held.iter().any(|held| held.id == id) {
                out.push(Effect::Send { invoker, order: Order::Attach(id) });
            } else if self.guards.never_arrived(resumed, adopted) {
                self.not_run(id, out);
            } else {
                self.outcome_unknown(id, out);
            }
        }
    }

    /// What was dispatched to the invoker and has no result, and whether that was another controller's doing.
    fn sent_to(&self, invoker: InvokerId) -> Vec<(ActivationId, bool)> {
        let sent = self.entries.values().filter_map(|entry| match entry.stage {
            Stage::Dispatched { invoker: at, adopted, .. } if at == invoker => {
                Some((entry.message.id, adopted))
            }
            _ => None,
        });
        sent.collect()
    }

    /// Results that are here and whose records the invoker was to write are written from here.
    pub(super) fn stream_broken(&mut self, invoker: InvokerId, out: &mut Vec<Effect>) {
        if let Some(contact) = self.invokers.get_mut(&invoker) {
            *contact = Contact::Silent;
        }
        let ended: Vec<ActivationId> = self
            .entries
            .values()
            .filter(|entry| self.guards.must_write(entry, invoker))
            .map(|entry| entry.message.id)
            .collect();
        for id in ended {
            self.record(id, RecordKind::Result, Some(invoker), out);
        }
        let strays = self.strays.iter().filter(|(_, at)| *at == invoker);
        out.extend(strays.map(|(id, _)| Effect::WriteRecord { id: *id, kind: RecordKind::Result }));
    }

    pub(super) fn invoker_gone(&mut self, invoker: InvokerId, out: &mut Vec<Effect>) {
        self.stream_broken(invoker, out);
        self.invokers.insert(invoker, Contact::Gone);
        self.hints.retain(|_, (at, _)| *at != invoker);
        for (id, _) in self.sent_to(invoker) {
            self.outcome_unknown(id, out);
        }
        self.answered(invoker, None, out);
    }
}
