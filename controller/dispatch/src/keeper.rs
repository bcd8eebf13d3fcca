//! An invoker's side of the protocol: it keeps what it runs, and the results of that, until nobody can need them.

use std::collections::{BTreeMap, BTreeSet};

use oxwhisk_core::id::ActivationId;

use crate::guards::{Guard, Guards};
use crate::names::{Incarnation, Message};
use crate::wire::{Ended, Held, Order, Phase, RecordState, Refusal, Said};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeeperEvent {
    /// A controller's stream has begun.
    Connected(Incarnation),
    /// It has ended; the controller may come back.
    Disconnected(Incarnation),
    /// The controller has ended, or was away for too long: what it was told no longer counts.
    SessionOver(Incarnation),
    Ordered {
        from: Incarnation,
        order: Order,
    },
    /// `/run` is next. It may follow when the effects of this have been written to their streams.
    Starting(ActivationId),
    Ended {
        id: ActivationId,
        ended: Ended,
    },
    /// It did not come to a run: no room came free in time, or the invoker is being shut down.
    NotRun {
        id: ActivationId,
        why: Refusal,
    },
    /// The record that [`KeeperEffect::WriteRecord`] asked for is durable on `completed`.
    RecordDurable(ActivationId),
    /// The invoker is being shut down: it takes no more.
    Drain,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeeperEffect {
    /// Run it, then [`KeeperEvent::Starting`] and [`KeeperEvent::Ended`].
    Run(Message),
    /// Append its record to `completed`, again and again until it is, then [`KeeperEvent::RecordDurable`].
    WriteRecord(ActivationId),
    /// Write to the controller's stream. An [`Said::Ended`] brings the result along.
    Say { to: Incarnation, said: Said },
    /// The result may be thrown away, and its record need not be written any more.
    Forget(ActivationId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kept {
    phase: Phase,
    /// Controllers that dispatched it or asked to be told, and have not acknowledged it.
    watchers: BTreeSet<Incarnation>,
}

/// What one invoker holds, at most `bound` activations: with those it refuses new ones, so that results that nobody
/// takes do not fill its memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keeper {
    bound: usize,
    guards: Guards,
    draining: bool,
    kept: BTreeMap<ActivationId, Kept>,
    /// Controllers of which nothing was forgotten, and whether they have a stream.
    sessions: BTreeMap<Incarnation, bool>,
}

impl Keeper {
    #[must_use]
    pub fn new(bound: usize, guards: Guards) -> Self {
        Self { bound, guards, draining: false, kept: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    /// How many activations are held, running or kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether it takes no more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    #[must_use]
    pub fn phase(&self, id: ActivationId) -> Option<Phase> {
        self.kept.get(&id).map(|kept| kept.phase)
    }

    /// Controllers that the invoker remembers.
    pub fn sessions(&self) -> impl Iterator<Item = Incarnation> {
        self.sessions.keys().copied()
    }

    pub fn handle(&mut self, event: KeeperEvent) -> Vec<KeeperEffect> {
        let mut out = Vec::new();
        match event {
            KeeperEvent::Connected(by) => self.connected(by, &mut out),
            KeeperEvent::Disconnected(by) => {
                if let Some(connected) = self.sessions.get_mut(&by) {
                    *connected = false;
                }
            }
            KeeperEvent::SessionOver(by) => self.session_over(by, &mut out),
            KeeperEvent::Ordered { from, order } => self.ordered(from, order, &mut out),
            KeeperEvent::Starting(id) => self.advance(id, Phase::Started, &mut out),
            KeeperEvent::Ended { id, ended } => {
                if !ended.cut_off && ended.record == RecordState::Pending {
                    out.push(KeeperEffect::WriteRecord(id));
                }
                self.advance(id, Phase::Ended(ended), &mut out);
                self.forget_if_done(id, &mut out);
            }
            KeeperEvent::NotRun { id, why } => {
                self.tell_watchers(id, &Said::Refused { id, why }, &mut out);
                self.kept.remove(&id);
                out.push(KeeperEffect::Forget(id));
            }
            KeeperEvent::RecordDurable(id) => self.record_durable(id, &mut out),
            KeeperEvent::Drain => self.draining = true,
        }
        out
    }

    fn connected(&mut self, by: Incarnation, out: &mut Vec<KeeperEffect>) {
        let resumed = self.sessions.insert(by, true).is_some();
        let said = Said::Welcome { resumed, held: self.held(by) };
        out.push(KeeperEffect::Say { to: by, said });
    }

    fn held(&self, by: Incarnation) -> Vec<Held> {
        let held = |(id, kept): (&ActivationId, &Kept)| Held {
            id: *id,
            phase: kept.phase,
            yours: kept.watchers.contains(&by),
        };
        self.kept.iter().map(held).collect()
    }

    fn session_over(&mut self, by: Incarnation, out: &mut Vec<KeeperEffect>) {
        self.sessions.remove(&by);
        let watched: Vec<ActivationId> = self.kept.keys().copied().collect();
        for id in watched {
            if let Some(kept) = self.kept.get_mut(&id) {
                kept.watchers.remove(&by);
            }
            self.forget_if_done(id, out);
        }
    }

    fn ordered(&mut self, from: Incarnation, order: Order, out: &mut Vec<KeeperEffect>) {
        match order {
            Order::Dispatch(message) => self.dispatch(from, message, out),
            Order::Attach(id) => {
                if !self.attach(from, id, out) {
                    out.push(KeeperEffect::Say { to: from, said: Said::Unknown(id) });
                }
            }
            Order::Ask(round) => {
                let said = Said::Holding { round, held: self.held(from) };
                out.push(KeeperEffect::Say { to: from, said });
            }
            Order::Acknowledge(id) => self.acknowledged(from, id, out),
        }
    }

    fn dispatch(&mut self, from: Incarnation, message: Message, out: &mut Vec<KeeperEffect>) {
        let id = message.id;
        // What was cut off is being tried again: its end is known where that was decided.
        self.kept.retain(|held, kept| *held != id || !kept.phase.is_cut_off());
        if self.attach(from, id, out) {
            if self.guards.without(Guard::AttachDuplicate) {
                out.push(KeeperEffect::Run(message));
            }
            return;
        }
        let refusal = match () {
            () if self.draining => Some(Refusal::Draining),
            () if self.kept.len() >= self.bound => Some(Refusal::Full),
            () => None,
        };
        if let Some(why) = refusal {
            out.push(KeeperEffect::Say { to: from, said: Said::Refused { id, why } });
            return;
        }
        self.kept.insert(id, Kept { phase: Phase::Waiting, watchers: BTreeSet::from([from]) });
        out.push(KeeperEffect::Run(message));
    }

    /// Whoever asks for what is held is told how far it has come, and everything further.
    fn attach(&mut self, from: Incarnation, id: ActivationId, out: &mut Vec<KeeperEffect>) -> bool {
        let Some(kept) = self.kept.get_mut(&id) else { return false };
        kept.watchers.insert(from);
        let said = match kept.phase {
            Phase::Waiting => return true,
            Phase::Started => Said::Started(id),
            Phase::Ended(ended) => Said::Ended { id, ended },
        };
        out.push(KeeperEffect::Say { to: from, said });
        true
    }

    fn advance(&mut self, id: ActivationId, phase: Phase, out: &mut Vec<KeeperEffect>) {
        let Some(kept) = self.kept.get_mut(&id) else { return };
        kept.phase = phase;
        let said = match phase {
            Phase::Waiting => return,
            Phase::Started => Said::Started(id),
            Phase::Ended(ended) => Said::Ended { id, ended },
        };
        self.tell_watchers(id, &said, out);
    }

    fn tell_watchers(&self, id: ActivationId, said: &Said, out: &mut Vec<KeeperEffect>) {
        let Some(kept) = self.kept.get(&id) else { return };
        let connected = kept.watchers.iter().filter(|by| self.sessions.get(by).is_some_and(|up| *up));
        out.extend(connected.map(|by| KeeperEffect::Say { to: *by, said: said.clone() }));
    }

    fn record_durable(&mut self, id: ActivationId, out: &mut Vec<KeeperEffect>) {
        if let Some(Kept { phase: Phase::Ended(ended), .. }) = self.kept.get_mut(&id) {
            ended.record = RecordState::Durable;
            self.tell_watchers(id, &Said::RecordDurable(id), out);
            self.forget_if_done(id, out);
        }
    }

    /// A controller that acknowledges knows that there is a record, or wrote it.
    fn acknowledged(&mut self, from: Incarnation, id: ActivationId, out: &mut Vec<KeeperEffect>) {
        if let Some(Kept { phase: Phase::Ended(ended), watchers }) = self.kept.get_mut(&id) {
            watchers.remove(&from);
            ended.record = RecordState::Durable;
            self.forget_if_done(id, out);
        }
    }

    fn forget_if_done(&mut self, id: ActivationId, out: &mut Vec<KeeperEffect>) {
        if let Some(Kept { phase: Phase::Ended(ended), watchers }) = self.kept.get(&id)
            && self.guards.may_forget(*ended, !watchers.is_empty())
        {
            self.kept.remove(&id);
            out.push(KeeperEffect::Forget(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::delivery::Delivery;

    use super::*;
    use crate::names::Lane;

    const C: Incarnation = Incarnation(1);

    fn message(number: u32) -> Message {
        let id = format!("{number:032x}").parse().unwrap();
        Message { id, lane: Lane(0), delivery: Delivery::AtLeastOnce, attempt: 1 }
    }

    fn order(keeper: &mut Keeper, order: Order) -> Vec<KeeperEffect> {
        keeper.handle(KeeperEvent::Ordered { from: C, order })
    }

    fn said(said: Said) -> KeeperEffect {
        KeeperEffect::Say { to: C, said }
    }

    fn refused(number: u32, why: Refusal) -> KeeperEffect {
        said(Said::Refused { id: message(number).id, why })
    }

    /// An invoker that may hold two, and runs one.
    fn running() -> Keeper {
        let mut keeper = Keeper::new(2, Guards::default());
        let welcome = keeper.handle(KeeperEvent::Connected(C));
        assert_eq!(welcome, [said(Said::Welcome { resumed: false, held: vec![] })]);
        assert_eq!(order(&mut keeper, Order::Dispatch(message(1))), [KeeperEffect::Run(message(1))]);
        assert_eq!(keeper.handle(KeeperEvent::Starting(message(1).id)), [said(Said::Started(message(1).id))]);
        keeper
    }

    #[test]
    fn results_that_nobody_acknowledges_take_the_room_of_new_ones() {
        let mut keeper = running();
        let ended = Ended { cut_off: false, record: RecordState::Unwanted };
        keeper.handle(KeeperEvent::Ended { id: message(1).id, ended });
        assert_eq!(order(&mut keeper, Order::Dispatch(message(2))), [KeeperEffect::Run(message(2))]);
        assert_eq!(order(&mut keeper, Order::Dispatch(message(3))), [refused(3, Refusal::Full)]);
        let forgotten = order(&mut keeper, Order::Acknowledge(message(1).id));
        assert_eq!(forgotten, [KeeperEffect::Forget(message(1).id)]);
        assert_eq!(order(&mut keeper, Order::Dispatch(message(3))), [KeeperEffect::Run(message(3))]);
    }

    #[test]
    fn a_draining_invoker_takes_nothing_new_and_tells_of_what_it_has() {
        let mut keeper = running();
        assert_eq!(keeper.handle(KeeperEvent::Drain), []);
        assert_eq!(order(&mut keeper, Order::Dispatch(message(2))), [refused(2, Refusal::Draining)]);
        let replayed = order(&mut keeper, Order::Dispatch(message(1)));
        assert_eq!(replayed, [said(Said::Started(message(1).id))]);
    }

    #[test]
    fn a_result_is_told_again_after_a_reconnect() {
        let mut keeper = running();
        let id = message(1).id;
        keeper.handle(KeeperEvent::Disconnected(C));
        let ended = Ended { cut_off: false, record: RecordState::Pending };
        let alone = keeper.handle(KeeperEvent::Ended { id, ended });
        assert_eq!(alone, [KeeperEffect::WriteRecord(id)]);
        let held = vec![Held { id, phase: Phase::Ended(ended), yours: true }];
        let welcome = keeper.handle(KeeperEvent::Connected(C));
        assert_eq!(welcome, [said(Said::Welcome { resumed: true, held })]);
        assert_eq!(order(&mut keeper, Order::Attach(id)), [said(Said::Ended { id, ended })]);
        assert_eq!(keeper.handle(KeeperEvent::RecordDurable(id)), [said(Said::RecordDurable(id))]);
        assert_eq!(keeper.len(), 1);
        assert_eq!(order(&mut keeper, Order::Acknowledge(id)), [KeeperEffect::Forget(id)]);
    }

    #[test]
    fn what_was_cut_off_runs_anew_when_it_is_dispatched_again() {
        let mut keeper = running();
        let ended = Ended { cut_off: true, record: RecordState::Pending };
        let told = keeper.handle(KeeperEvent::Ended { id: message(1).id, ended });
        assert_eq!(told, [said(Said::Ended { id: message(1).id, ended })]);
        assert_eq!(order(&mut keeper, Order::Dispatch(message(1))), [KeeperEffect::Run(message(1))]);
    }
}
