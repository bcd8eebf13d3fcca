//! From the queue to an invoker, and what the invoker says.

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::id::{ActivationId, InvokerId};

use super::Dispatcher;
use crate::effect::Effect;
use crate::entry::{Entry, Stage, Then};
use crate::guards::Guard;
use crate::names::{RecordKind, Replacement, Source};
use crate::wire::{Ended, Order, Phase, RecordState, Said};

impl Dispatcher {
    /// Whether it is adopted, if it waits for invokers' answers and they are there.
    pub(super) fn check_if_answered(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(&id) else { return };
        if let Stage::Adopting { round, marked } = entry.stage
            && self.is_answered(round)
            && !self.adopt(id, out)
        {
            self.check(id, Then::Admit { marked }, out);
        }
    }

    fn check(&mut self, id: ActivationId, then: Then, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.stage = Stage::Checking { then };
        if self.guards.without(Guard::CheckAfterAnswers) {
            return self.checked(id, false, out);
        }
        out.push(Effect::CheckRecord(entry.message));
    }

    pub(super) fn checked(&mut self, id: ActivationId, recorded: bool, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(&id) else { return };
        let Stage::Checking { then } = entry.stage else { return };
        if self.guards.skips_recorded(recorded) {
            return self.settle(id, out);
        }
        match then {
            Then::Admit { marked } => self.admit(id, marked, out),
            Then::SendAgain { started } => self.send_again(id, started, out),
        }
    }

    /// Records were looked up just before this: it goes on if invokers have answered already.
    pub(super) fn admit_if_answered(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(&id) else { return };
        if let Stage::Adopting { round, marked } = entry.stage
            && self.is_answered(round)
        {
            self.admit(id, marked, out);
        }
    }

    /// It is known what invokers hold: adopt it, record its loss, park it, or queue it.
    pub(super) fn admit(&mut self, id: ActivationId, marked: bool, out: &mut Vec<Effect>) {
        if self.adopt(id, out) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let message = entry.message;
        let is_parkable = entry.obligations.iter().all(|owed| owed.position.source == Source::Queue);
        if marked {
            self.record(id, RecordKind::Lost, None, out);
        } else if entry.surplus && is_parkable {
            entry.surplus = false;
            self.replace(id, Replacement::Park { attempt: message.attempt }, out);
        } else {
            entry.stage = Stage::Queued;
            out.push(Effect::Enqueue(message));
        }
    }

    /// If an invoker said that it holds it: asks that one to tell us.
    fn adopt(&mut self, id: ActivationId, out: &mut Vec<Effect>) -> bool {
        let (Some((invoker, phase)), Some(entry)) = (self.hints.remove(&id), self.entries.get_mut(&id))
        else {
            return false;
        };
        if let Phase::Ended(Ended { cut_off: false, record: RecordState::Durable }) = phase {
            self.settle(id, out);
            return true;
        }
        let started = phase != Phase::Waiting;
        entry.stage = Stage::Dispatched { invoker, adopted: true, started };
        out.push(Effect::Send { invoker, order: Order::Attach(id) });
        true
    }

    pub(super) fn turn(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.stage == Stage::Queued) else {
            return;
        };
        let message = entry.message;
        if self.draining {
            return;
        }
        if message.delivery == Delivery::AtLeastOnce {
            return self.place(id, out);
        }
        entry.stage = Stage::Marking;
        if self.is_marked(message) {
            return self.adopt_marked(id, out);
        }
        out.push(Effect::MarkStarted(message));
        if !self.guards.needs_mark(message.delivery) {
            self.place(id, out);
        }
    }

    pub(super) fn place(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.stage = Stage::Placing;
            out.push(Effect::Place(entry.message));
        }
    }

    pub(super) fn placed(&mut self, id: ActivationId, invoker: InvokerId, out: &mut Vec<Effect>) {
        let is_ready = self.is_ready(invoker);
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.stage == Stage::Placing) else {
            return;
        };
        if !is_ready {
            out.push(Effect::Place(entry.message));
        } else if !self.adopt(id, out)
            && let Some(entry) = self.entries.get_mut(&id)
        {
            entry.stage = Stage::Dispatched { invoker, adopted: false, started: false };
            out.push(Effect::Send { invoker, order: Order::Dispatch(entry.message) });
        }
    }

    pub(super) fn said(&mut self, invoker: InvokerId, said: Said, out: &mut Vec<Effect>) {
        match said {
            Said::Welcome { resumed, held } => self.welcome(invoker, resumed, &held, out),
            Said::Holding { round, held } => self.holding(invoker, round, &held, out),
            Said::Refused { id, .. } if self.is_at(id, invoker) => self.not_run(id, out),
            Said::Unknown(id) if self.is_at(id, invoker) => self.not_held(id, out),
            Said::Unknown(id) => drop(self.strays.remove(&(id, invoker))),
            Said::Refused { .. } => {}
            Said::Started(id) => self.started(id, invoker),
            Said::Ended { id, ended } => self.ended(id, invoker, ended, out),
            Said::RecordDurable(id) => self.record_durable(id, invoker, out),
        }
    }

    fn is_at(&self, id: ActivationId, invoker: InvokerId) -> bool {
        let stage = self.entries.get(&id).map(|entry| entry.stage);
        matches!(stage, Some(Stage::Dispatched { invoker: at, .. }) if at == invoker)
    }

    fn started(&mut self, id: ActivationId, from: InvokerId) {
        if let Some(Entry { stage: Stage::Dispatched { invoker, started, .. }, .. }) =
            self.entries.get_mut(&id)
            && *invoker == from
        {
            *started = true;
        }
    }

    /// It was taken back before it began: it goes to an invoker again, whatever its delivery.
    pub(super) fn not_run(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        if self.drop_if_nobodys(id) {
            return;
        }
        self.place(id, out);
    }

    /// What was to be adopted has ended and been forgotten meanwhile: there is a record, or somebody else sees to it.
    fn not_held(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        if self.drop_if_nobodys(id) {
            return;
        }
        let Some(entry) = self.entries.get(&id) else { return };
        let marked = entry.message.delivery == Delivery::AtMostOnce;
        self.check(id, Then::Admit { marked }, out);
    }

    fn ended(&mut self, id: ActivationId, invoker: InvokerId, ended: Ended, out: &mut Vec<Effect>) {
        if ended.cut_off {
            return self.cut_off(id, invoker, out);
        }
        let acknowledge = Effect::Send { invoker, order: Order::Acknowledge(id) };
        let Some(entry) = self.entries.get_mut(&id) else {
            if self.guards.may_acknowledge(ended.record) {
                self.strays.remove(&(id, invoker));
                out.push(acknowledge);
            } else if self.strays.insert((id, invoker)) {
                // An end that was told twice may be of what was acknowledged meanwhile.
                out.push(Effect::Send { invoker, order: Order::Attach(id) });
            }
            return;
        };
        if entry.call.take().is_some() {
            out.push(Effect::Answer(id));
        }
        let recorded = entry.recorded;
        entry.stage = Stage::Ended { invoker };
        if ended.record.is_settled() || recorded {
            return self.settle(id, out);
        }
        self.end_early(id, out);
        if self.guards.may_acknowledge(ended.record) {
            out.push(acknowledge);
        }
    }

    /// The invoker was shut down under it, and keeps no record. At most once: that is the result. At least once: it goes
    /// again, as often as invokers are shut down.
    fn cut_off(&mut self, id: ActivationId, invoker: InvokerId, out: &mut Vec<Effect>) {
        let entry = self
            .entries
            .get_mut(&id)
            .filter(|entry| matches!(entry.stage, Stage::Dispatched { invoker: at, .. } if at == invoker));
        let Some(entry) = entry else {
            out.push(Effect::Send { invoker, order: Order::Acknowledge(id) });
            return;
        };
        let attempt = entry.message.attempt + 1;
        let answered = entry.call.take().is_some();
        if answered {
            out.push(Effect::Answer(id));
        }
        if answered || entry.message.delivery == Delivery::AtMostOnce {
            return self.record(id, RecordKind::Result, Some(invoker), out);
        }
        out.push(Effect::Send { invoker, order: Order::Acknowledge(id) });
        if !self.drop_if_nobodys(id) {
            self.replace(id, Replacement::Retry { attempt }, out);
        }
    }

    fn record_durable(&mut self, id: ActivationId, invoker: InvokerId, out: &mut Vec<Effect>) {
        self.strays.remove(&(id, invoker));
        match self.entries.get_mut(&id) {
            // The client wants the result too, which is behind this.
            Some(entry) if entry.call.is_some() => entry.recorded = true,
            known => {
                let acknowledge = Effect::Send { invoker, order: Order::Acknowledge(id) };
                if known.is_some() {
                    self.settle(id, out);
                }
                if !out.contains(&acknowledge) {
                    out.push(acknowledge);
                }
            }
        }
    }

    /// The invoker is gone, or has forgotten, and there is no result.
    pub(super) fn outcome_unknown(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        if self.drop_if_nobodys(id) {
            return;
        }
        let Some(entry) = self.entries.get(&id) else { return };
        let Stage::Dispatched { started, .. } = entry.stage else { return };
        match entry.recorded {
            true => self.settle(id, out),
            false => self.check(id, Then::SendAgain { started }, out),
        }
    }

    /// The retry rule.
    fn send_again(&mut self, id: ActivationId, started: bool, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(&id) else { return };
        let delivery = entry.message.delivery;
        if !self.guards.may_have_started(delivery, started) {
            self.place(id, out);
        } else if let Some(kind) = crate::guards::record_instead(delivery) {
            self.record(id, kind, None, out);
        } else {
            self.retry(id, out);
        }
    }

    /// It began and never came to an end.
    fn retry(&mut self, id: ActivationId, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let may_retry = self.guards.may_retry(entry.message.attempt, self.max_attempts);
        match (entry.obligations.is_empty(), may_retry) {
            (false, true) => {
                let attempt = entry.message.attempt + 1;
                self.replace(id, Replacement::Retry { attempt }, out);
            }
            (false, false) => self.bury(id, out),
            // Nothing of it is on Kafka: a client waits.
            (true, true) => {
                entry.message.attempt += 1;
                self.place(id, out);
            }
            (true, false) => self.record(id, RecordKind::Exhausted, None, out),
        }
    }

    pub(super) fn record(
        &mut self,
        id: ActivationId,
        kind: RecordKind,
        kept_by: Option<InvokerId>,
        out: &mut Vec<Effect>,
    ) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.stage = Stage::Recording { kind, kept_by };
            out.push(Effect::WriteRecord { id, kind });
            if self.guards.without(Guard::DoneAfterRecord) || self.guards.without(Guard::WithdrawAfterRecord)
            {
                self.end_early(id, out);
            }
        }
    }
}
