//! What can happen next.

use super::setting::Setting;
use super::world::{Client, Operation, Process, World, id, invoker};
use crate::entry::{Call, Stage};
use crate::names::{Incarnation, Source};
use crate::wire::{Ended, Phase, RecordState};

/// Numbers name controllers (`c`), invokers (`i`) and activations (`id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Kafka does the `n`th thing that the controller asked for, and the answer arrives.
    Kafka {
        c: usize,
        n: usize,
    },
    /// It does it, and the answer takes its time.
    KafkaSlowly {
        c: usize,
        n: usize,
    },
    /// It does it, the answer is lost, and the controller will ask again.
    KafkaTwice {
        c: usize,
        n: usize,
    },
    /// A message is read; `surplus`: its namespace has enough queued.
    Poll {
        c: usize,
        source: Source,
        surplus: bool,
    },
    /// A line of `inflight` is read.
    Tail {
        c: usize,
    },
    Place {
        c: usize,
        i: usize,
        id: usize,
    },
    WaitOver {
        c: usize,
        id: usize,
    },
    /// The first order on the stream arrives.
    Order {
        c: usize,
        i: usize,
    },
    /// The first word of the invoker arrives.
    Hear {
        c: usize,
        i: usize,
    },
    Start {
        i: usize,
        id: usize,
    },
    /// It was taken, and does not come to a run.
    NotRun {
        i: usize,
        id: usize,
    },
    End {
        i: usize,
        id: usize,
        cut_off: bool,
    },
    /// The invoker's record is durable.
    InvokerRecord {
        i: usize,
        id: usize,
    },
    Store,
    /// `appended`: the thing that Kafka had just done, without an answer.
    ControllerDies {
        c: usize,
        appended: Option<usize>,
    },
    ControllerStarts {
        c: usize,
    },
    InvokerDies {
        i: usize,
    },
    InvokerStarts {
        i: usize,
    },
    Cut {
        c: usize,
        i: usize,
    },
    Connect {
        c: usize,
        i: usize,
    },
    /// The invoker sees the end of a dead controller's stream; what it has not read is lost.
    Closed {
        c: usize,
        i: usize,
    },
    /// The controller takes the invoker for dead.
    Gone {
        c: usize,
        i: usize,
    },
    /// The controller learns of the end of another.
    ControllerGone {
        c: usize,
        by: Incarnation,
    },
    SessionOver {
        i: usize,
        by: Incarnation,
    },
    Assign {
        c: usize,
    },
    /// The lane goes to `c` from an owner that lives.
    Rebalance {
        c: usize,
    },
    /// The earlier owner learns of that.
    Revoked {
        c: usize,
    },
}

impl World {
    pub(super) fn enabled(&self, setting: &Setting, steps: &mut Vec<Step>) {
        for (c, controller) in self.controllers.iter().enumerate() {
            match &controller.process {
                Some(process) => self.enabled_at(c, process, steps),
                None if setting.controllers_return => steps.push(Step::ControllerStarts { c }),
                None => {}
            }
            for i in 0..self.invokers.len() {
                self.enabled_on(c, i, steps);
            }
        }
        for i in 0..self.invokers.len() {
            self.enabled_in(setting, i, steps);
        }
        if self.stored < self.kafka.completed.len() {
            steps.push(Step::Store);
        }
    }

    fn enabled_at(&self, c: usize, process: &Process, steps: &mut Vec<Step>) {
        for (n, operation) in process.operations.iter().enumerate() {
            steps.push(Step::Kafka { c, n });
            if matches!(operation, Operation::Replace { appended: false, .. }) {
                steps.push(Step::KafkaSlowly { c, n });
            }
            if self.left.doubles > 0
                && !matches!(operation, Operation::Done(_))
                && leaves_something(operation)
            {
                steps.push(Step::KafkaTwice { c, n });
            }
            if self.left.controller_deaths > 0 && leaves_something(operation) {
                steps.push(Step::ControllerDies { c, appended: Some(n) });
            }
        }
        if self.left.controller_deaths > 0 {
            steps.push(Step::ControllerDies { c, appended: None });
        }
        if process.owns {
            if process.queue_read < self.kafka.queue.len() {
                steps.push(Step::Poll { c, source: Source::Queue, surplus: false });
                if self.left.parks > 0 {
                    steps.push(Step::Poll { c, source: Source::Queue, surplus: true });
                }
            }
            if process.parked_read < self.kafka.parked.len() {
                steps.push(Step::Poll { c, source: Source::Parked, surplus: false });
            }
            if process.inflight_read < self.kafka.inflight.len() {
                steps.push(Step::Tail { c });
            }
        }
        self.enabled_for_entries(c, process, steps);
        self.enabled_for_lane(c, process, steps);
        for by in self.dead_incarnations() {
            if process.dispatcher.watches_notes_of(by) {
                steps.push(Step::ControllerGone { c, by });
            }
        }
    }

    fn enabled_for_entries(&self, c: usize, process: &Process, steps: &mut Vec<Step>) {
        for (index, client) in self.clients.iter().enumerate() {
            let Some(entry) = process.dispatcher.entry(id(index)) else { continue };
            if entry.stage == Stage::Placing {
                let ready = |i: &usize| self.streams[c][*i].up && process.dispatcher.is_ready(invoker(*i));
                // Invokers that nothing was sent to are alike.
                let alike = self.history.runs.is_empty() && self.is_fresh();
                let places = (0..if alike { 1 } else { self.invokers.len() }).filter(ready);
                steps.extend(places.map(|i| Step::Place { c, i, id: index }));
            }
            if entry.call == Some(Call::Waiting) && *client == Client::Waits {
                steps.push(Step::WaitOver { c, id: index });
            }
        }
    }

    fn enabled_for_lane(&self, c: usize, process: &Process, steps: &mut Vec<Step>) {
        match self.kafka.owner {
            None => steps.push(Step::Assign { c }),
            Some(owner) if owner == c => {}
            Some(_) if process.owns => steps.push(Step::Revoked { c }),
            Some(_) if self.left.rebalances > 0 => steps.push(Step::Rebalance { c }),
            Some(_) => {}
        }
    }

    /// The stream between a controller and an invoker.
    fn enabled_on(&self, c: usize, i: usize, steps: &mut Vec<Step>) {
        let (stream, process) = (&self.streams[c][i], &self.controllers[c].process);
        if stream.closing {
            if !stream.orders.is_empty() {
                steps.push(Step::Order { c, i });
            }
            steps.push(Step::Closed { c, i });
            return;
        }
        let both = process.is_some() && self.invokers[i].keeper.is_some();
        if stream.up {
            if !stream.orders.is_empty() {
                steps.push(Step::Order { c, i });
            }
            if !stream.said.is_empty() {
                steps.push(Step::Hear { c, i });
            }
            if self.left.cuts > 0 {
                steps.push(Step::Cut { c, i });
            }
            return;
        }
        if both {
            steps.push(Step::Connect { c, i });
        }
        let may_suspect = self.invokers[i].keeper.is_none() || self.left.suspicions > 0;
        if let Some(process) = process
            && may_suspect
            && !process.dispatcher.is_gone(invoker(i))
        {
            steps.push(Step::Gone { c, i });
        }
    }

    fn enabled_in(&self, setting: &Setting, i: usize, steps: &mut Vec<Step>) {
        let Some(keeper) = &self.invokers[i].keeper else {
            if setting.invokers_return {
                steps.push(Step::InvokerStarts { i });
            }
            return;
        };
        if self.left.invoker_deaths > 0 {
            steps.push(Step::InvokerDies { i });
        }
        for index in 0..self.clients.len() {
            match keeper.phase(id(index)) {
                Some(Phase::Waiting) => {
                    steps.push(Step::Start { i, id: index });
                    if self.left.no_rooms > 0 {
                        steps.push(Step::NotRun { i, id: index });
                    }
                }
                Some(Phase::Started) => {
                    steps.push(Step::End { i, id: index, cut_off: false });
                    if self.left.cut_offs > 0 {
                        steps.push(Step::End { i, id: index, cut_off: true });
                    }
                }
                Some(Phase::Ended(Ended { cut_off: false, record: RecordState::Pending })) => {
                    steps.push(Step::InvokerRecord { i, id: index });
                }
                _ => {}
            }
        }
        let waits = setting.long_memory && !self.all_idle();
        let is_closing =
            |by: Incarnation| self.streams[usize::try_from(by.0 % 10).expect("one digit")][i].closing;
        let over = keeper.sessions().filter(|by| !waits && !self.is_alive(*by) && !is_closing(*by));
        steps.extend(over.map(|by| Step::SessionOver { i, by }));
    }

    /// No invoker holds anything, and no order is under way.
    fn is_fresh(&self) -> bool {
        self.invokers.iter().all(|invoker| invoker.keeper.as_ref().is_some_and(crate::Keeper::is_empty))
            && self.invokers.iter().all(|invoker| invoker.life == 1)
            && self
                .streams
                .iter()
                .flatten()
                .all(|stream| stream.up && stream.orders.is_empty() && stream.said.is_empty())
    }

    fn all_idle(&self) -> bool {
        let idle = |process: &Process| process.dispatcher.is_idle() && process.operations.is_empty();
        self.controllers.iter().all(|controller| controller.process.as_ref().is_none_or(idle))
            && (0..self.clients.len()).all(|id| !self.is_owed(id))
    }

    fn dead_incarnations(&self) -> Vec<Incarnation> {
        let lives =
            |c: usize| (0..=self.controllers[c].life).map(move |life| Incarnation(life * 10 + c as u64));
        let all = (0..self.controllers.len()).flat_map(lives);
        all.filter(|by| !self.is_alive(*by)).collect()
    }
}

/// Whether others can tell that Kafka did it.
fn leaves_something(operation: &Operation) -> bool {
    !matches!(operation, Operation::Replace { appended: true, .. })
}
