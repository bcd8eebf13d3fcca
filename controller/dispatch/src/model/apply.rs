//! What a step does.

use super::enabled::Step;
use super::setting::Setting;
use super::world::{
    Client, LANE, Line, Operation, Process, Seen, Stream, World, id, index, invoker, position,
};
use crate::dispatcher::Dispatcher;
use crate::effect::Effect;
use crate::entry::Stage;
use crate::event::Event;
use crate::keeper::{Keeper, KeeperEffect, KeeperEvent};
use crate::names::{Message, RecordKind, Source};
use crate::record::RecordOrigin;
use crate::wire::{Ended, RecordState, Refusal};

impl World {
    /// Everybody is up, the first controller has the lane, and every client has asked it.
    pub(super) fn begin(&mut self, setting: &Setting) {
        for i in 0..setting.invokers {
            self.start_invoker(setting, i);
        }
        for c in 0..setting.controllers {
            self.start_controller(setting, c);
            for i in 0..setting.invokers {
                self.connect(c, i);
                self.hear(setting, c, i);
            }
        }
        self.assign(setting, 0);
        for i in 0..setting.invokers {
            self.order(0, i);
            self.hear(setting, 0, i);
        }
        for (index, kind) in setting.kinds.iter().enumerate() {
            let message = Message { id: id(index), lane: LANE, delivery: kind.delivery, attempt: 1 };
            let event = if kind.blocking { Event::Call(message) } else { Event::Submit(message) };
            self.tell(setting, setting.asked, event);
        }
    }

    pub(super) fn apply(&mut self, setting: &Setting, step: Step) {
        match step {
            Step::Kafka { c, n } => self.answer(setting, c, n),
            Step::KafkaSlowly { c, n } => self.append_unanswered(setting, c, n),
            Step::KafkaTwice { c, n } => {
                self.left.doubles -= 1;
                let operation = self.process(c).operations[n];
                self.perform(setting, c, operation);
            }
            Step::Poll { c, source, surplus } => self.poll(setting, c, source, surplus),
            Step::Tail { c } => self.tail(setting, c),
            Step::Place { c, i, id } => self.place(setting, c, i, id),
            Step::WaitOver { c, id: index } => self.tell(setting, c, Event::WaitOver(id(index))),
            Step::Order { c, i } => self.order(c, i),
            Step::Hear { c, i } => self.hear(setting, c, i),
            Step::Start { i, id: index } => {
                self.ran(index);
                self.keep(i, KeeperEvent::Starting(id(index)));
            }
            Step::NotRun { i, id: index } => {
                self.left.no_rooms -= 1;
                self.keep(i, KeeperEvent::NotRun { id: id(index), why: Refusal::NoRoom });
            }
            Step::End { i, id: index, cut_off } => {
                self.left.cut_offs -= u8::from(cut_off);
                let ended = Ended { cut_off, record: RecordState::Pending };
                self.keep(i, KeeperEvent::Ended { id: id(index), ended });
            }
            Step::InvokerRecord { i, id: index } => {
                let run = 1 + self.invokers[i].life * 10 + i as u64;
                let record = RecordOrigin { kind: RecordKind::Result, run, version: 0 };
                self.complete(setting, index, record);
                self.keep(i, KeeperEvent::RecordDurable(id(index)));
            }
            Step::Store => self.store(setting),
            Step::ControllerDies { c, appended } => self.controller_dies(setting, c, appended),
            Step::ControllerStarts { c } => self.start_controller(setting, c),
            Step::InvokerDies { i } => self.invoker_dies(setting, i),
            Step::InvokerStarts { i } => self.start_invoker(setting, i),
            Step::Cut { c, i } => {
                self.left.cuts -= 1;
                self.disconnect(setting, c, i);
            }
            Step::Closed { c, i } => {
                self.streams[c][i] = Stream::default();
                self.keep(i, KeeperEvent::Disconnected(self.incarnation(c)));
            }
            Step::Connect { c, i } => self.connect(c, i),
            Step::Gone { c, i } => {
                self.left.suspicions -= u8::from(self.invokers[i].keeper.is_some());
                self.tell(setting, c, Event::InvokerGone(invoker(i)));
            }
            Step::ControllerGone { c, by } => self.tell(setting, c, Event::ControllerGone(by)),
            Step::SessionOver { i, by } => self.keep(i, KeeperEvent::SessionOver(by)),
            Step::Assign { c } => self.assign(setting, c),
            Step::Rebalance { c } => {
                self.left.rebalances -= 1;
                self.assign(setting, c);
            }
            Step::Revoked { c } => self.revoke(setting, c),
        }
    }

    pub(super) fn process(&mut self, c: usize) -> &mut Process {
        self.controllers[c].process.as_mut().expect("it lives")
    }

    fn start_controller(&mut self, setting: &Setting, c: usize) {
        self.controllers[c].life += 1;
        let own = self.incarnation(c);
        let mut dispatcher = Dispatcher::new(own, setting.max_attempts, setting.guards);
        for i in 0..setting.invokers {
            let effects = dispatcher.handle(Event::InvokerKnown(invoker(i)));
            assert_eq!(effects, []);
        }
        self.controllers[c].process = Some(Process {
            dispatcher,
            operations: Vec::new(),
            queue_read: 0,
            parked_read: 0,
            inflight_read: 0,
            owns: false,
        });
    }

    fn controller_dies(&mut self, setting: &Setting, c: usize, appended: Option<usize>) {
        self.left.controller_deaths -= 1;
        if let Some(n) = appended {
            let operation = self.process(c).operations[n];
            self.perform(setting, c, operation);
        }
        for i in 0..self.invokers.len() {
            let stream = &mut self.streams[c][i];
            if setting.late_orders && !stream.orders.is_empty() {
                (stream.up, stream.closing) = (false, true);
                stream.said.clear();
            } else {
                self.disconnect(setting, c, i);
            }
        }
        let process = self.controllers[c].process.take().expect("it lived");
        for (index, client) in self.clients.iter_mut().enumerate() {
            let served = process.dispatcher.entry(id(index)).is_some_and(|entry| entry.call.is_some());
            let submitted = process
                .operations
                .iter()
                .any(|operation| matches!(operation, Operation::Produce(message) if message.id == id(index)));
            if *client == Client::Waits && (served || submitted) {
                *client = Client::Refused;
            }
        }
        if self.kafka.owner == Some(c) {
            self.kafka.owner = None;
        }
    }

    fn start_invoker(&mut self, setting: &Setting, i: usize) {
        self.invokers[i].life += 1;
        self.invokers[i].keeper = Some(Keeper::new(setting.bound, setting.guards));
    }

    fn invoker_dies(&mut self, setting: &Setting, i: usize) {
        self.left.invoker_deaths -= 1;
        self.invokers[i].keeper = None;
        for c in 0..self.controllers.len() {
            self.disconnect(setting, c, i);
        }
    }

    fn connect(&mut self, c: usize, i: usize) {
        self.streams[c][i].up = true;
        self.keep(i, KeeperEvent::Connected(self.incarnation(c)));
    }

    /// What was on the stream is lost, and both ends that live learn of it.
    fn disconnect(&mut self, setting: &Setting, c: usize, i: usize) {
        if !std::mem::take(&mut self.streams[c][i]).up {
            return;
        }
        if self.invokers[i].keeper.is_some() {
            self.keep(i, KeeperEvent::Disconnected(self.incarnation(c)));
        }
        if self.controllers[c].process.is_some() {
            self.tell(setting, c, Event::StreamBroken(invoker(i)));
        }
    }

    fn assign(&mut self, setting: &Setting, c: usize) {
        if self.process(c).owns {
            self.revoke(setting, c);
        }
        self.kafka.owner = Some(c);
        let process = self.process(c);
        process.owns = true;
        (process.queue_read, process.parked_read, process.inflight_read) = (0, 0, 0);
        self.tell(setting, c, Event::Assigned(LANE));
    }

    fn revoke(&mut self, setting: &Setting, c: usize) {
        self.process(c).owns = false;
        self.tell(setting, c, Event::Revoked(LANE));
    }

    fn poll(&mut self, setting: &Setting, c: usize, source: Source, surplus: bool) {
        self.left.parks -= u8::from(surplus);
        let process = self.process(c);
        let read = match source {
            Source::Queue => &mut process.queue_read,
            Source::Parked | Source::Note => &mut process.parked_read,
        };
        let offset = *read;
        *read += 1;
        let topic = if source == Source::Queue { &self.kafka.queue } else { &self.kafka.parked };
        let message = topic[offset];
        let done = self.is_done(source, offset);
        if !setting.guards.may_hand_out(done) {
            return;
        }
        let recorded = self.view(setting, index(message.id), self.stored).is_some();
        let position = position(source, offset);
        self.tell(setting, c, Event::Polled { message, position, recorded, surplus });
        let entry = self.process(c).dispatcher.entry(message.id);
        let taken_up = entry.is_some();
        self.history.recorded_run |= recorded && taken_up;
        self.history.done_run |= done && taken_up;
    }

    fn tail(&mut self, setting: &Setting, c: usize) {
        let process = self.process(c);
        let offset = process.inflight_read;
        process.inflight_read += 1;
        let event = match self.kafka.inflight[offset] {
            Line::Note { message, .. } if self.is_withdrawn(index(message.id), offset) => return,
            Line::Note { message, by } => Event::NoteRead {
                message,
                position: position(Source::Note, offset),
                by,
                recorded: self.view(setting, index(message.id), self.stored).is_some(),
            },
            Line::Mark { id: index, by } => {
                Event::MarkRead { lane: LANE, id: id(index), by, at: i64::try_from(offset).expect("few") }
            }
            Line::Tombstone { id: index } => Event::NoteWithdrawn(id(index)),
        };
        self.tell(setting, c, event);
    }

    fn place(&mut self, setting: &Setting, c: usize, i: usize, index: usize) {
        let owed = self.is_owed(index) || self.clients[index] == Client::Waits;
        self.tell(setting, c, Event::Placed { id: id(index), invoker: invoker(i) });
        self.history.idle_dispatch |= !owed && self.is_recorded(index);
    }

    fn order(&mut self, c: usize, i: usize) {
        if let Some(order) = self.streams[c][i].orders.pop_front() {
            self.keep(i, KeeperEvent::Ordered { from: self.incarnation(c), order });
        }
    }

    fn hear(&mut self, setting: &Setting, c: usize, i: usize) {
        if let Some(said) = self.streams[c][i].said.pop_front() {
            self.tell(setting, c, Event::Said { invoker: invoker(i), said });
        }
    }

    fn keep(&mut self, i: usize, event: KeeperEvent) {
        let keeper = self.invokers[i].keeper.as_mut().expect("it lives");
        let mut again = Vec::new();
        for effect in keeper.handle(event) {
            match effect {
                KeeperEffect::Run(message)
                    if keeper.phase(message.id).is_some_and(|phase| phase != crate::wire::Phase::Waiting) =>
                {
                    again.push(index(message.id));
                }
                // Its phase says that it is to be done.
                KeeperEffect::Run(_) | KeeperEffect::WriteRecord(_) | KeeperEffect::Forget(_) => {}
                KeeperEffect::Say { to, said } => {
                    let c = usize::try_from(to.0 % 10).expect("one digit");
                    if self.streams[c][i].up {
                        self.streams[c][i].said.push_back(said);
                    }
                }
            }
        }
        for index in again {
            self.history.beside_itself = true;
            self.ran(index);
        }
    }

    fn ran(&mut self, index: usize) {
        *self.history.runs.entry(index).or_insert(0) += 1;
    }

    /// Tells a controller's dispatcher, and begins what it wants done.
    pub(super) fn tell(&mut self, setting: &Setting, c: usize, event: Event) {
        for effect in self.process(c).dispatcher.handle(event) {
            self.begin_effect(setting, c, effect);
        }
    }

    fn begin_effect(&mut self, setting: &Setting, c: usize, effect: Effect) {
        let operation = match effect {
            Effect::Accept(id) => return self.client(id, Client::Accepted),
            Effect::Answer(id) => return self.client(id, Client::Answered),
            Effect::Fail(id) => return self.client(id, Client::Refused),
            Effect::Enqueue(message) => return self.tell(setting, c, Event::Turn(message.id)),
            Effect::Place(_) | Effect::Settled(_) => return,
            Effect::CheckRecord(message) => {
                while self.process(c).owns && self.process(c).inflight_read < self.kafka.inflight.len() {
                    self.tail(setting, c);
                }
                let recorded = self.view(setting, index(message.id), self.stored).is_some();
                return self.tell(setting, c, Event::Checked { id: message.id, recorded });
            }
            Effect::Send { invoker, order } => {
                let stream = &mut self.streams[c][invoker.0 as usize];
                if stream.up {
                    stream.orders.push_back(order);
                }
                let by_note = self.kafka.inflight.iter().any(|line| matches!(line, Line::Note { .. }));
                if let crate::wire::Order::Attach(id) = order
                    && let Some(entry) = self.process(c).dispatcher.entry(id)
                    && matches!(entry.stage, Stage::Dispatched { adopted: true, .. })
                {
                    self.history.seen.insert(if by_note { Seen::NoteAdopted } else { Seen::Adopted });
                }
                return;
            }
            Effect::Produce(message) => Operation::Produce(message),
            Effect::ProduceNote(message) => Operation::Note(message),
            Effect::MarkStarted(message) => Operation::Mark(message),
            Effect::Replace { message, by } => Operation::Replace { message, by, appended: false },
            Effect::ProduceDeadLetter(message) => Operation::DeadLetter(message),
            Effect::WriteRecord { id, kind } => Operation::Record { id: index(id), kind },
            Effect::MarkDone(position) => Operation::Done(position),
            Effect::Withdraw { id, .. } => Operation::Withdraw { id: index(id) },
        };
        self.process(c).operations.push(operation);
    }

    fn client(&mut self, id: oxwhisk_core::id::ActivationId, now: Client) {
        let client = &mut self.clients[index(id)];
        if *client == Client::Waits {
            *client = now;
        }
    }
}
