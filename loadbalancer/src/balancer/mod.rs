//! What is asked of which invoker, and who waits.
//!
//! ```text
//!          probe: up to three invokers that seem to have room, one after the other (the shell dispatches)
//! work ──────┬──▶ taken ──▶ ended
//!            │ nobody has room
//!            ▼                    offer            no room after all
//!          wait ──▶ the line ────────────▶ Serve ─────────────────────▶ returned (to its head)
//!                    │  │ a report of room elsewhere ▲
//!                    │  └────────────────────────────┘
//!                    └──▶ Refuse: too long, too many, nobody in service
//! ```
//!
//! Work waits only behind work of the same action or while no invoker seems to have room. While it waits, up to three
//! invokers know of it as a want. Invariants, tested as properties by the simulator: work that was taken in is served or
//! refused once; what an invoker knows of is what waits and has asked it; nobody waits for room that such an invoker has.
//!
//! What is believed of an invoker's room is a guess, corrected by every report; only the invoker's answer counts.

mod effect;
mod invokers;
mod line;
mod slots;
#[cfg(test)]
pub(crate) mod tests;
mod wants;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::{Offer, OfferId, WorkKey};

pub use effect::{Effect, Refusal, Work};
pub use line::LineConfig;

use crate::fleet::{Fleet, FleetConfig, FleetEffect, Outcome, Source};
use crate::placement::{Candidates, PROBES, Placement, PlacementRequest};
use line::{Line, Waiting};
use slots::SharedSlots;
use wants::Wants;

/// Invokers to ask, best first; empty when the work has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probes {
    invokers: [InvokerId; PROBES],
    count: usize,
}

impl Probes {
    #[must_use]
    pub fn as_slice(&self) -> &[InvokerId] {
        &self.invokers[..self.count]
    }
}

#[derive(Debug)]
pub struct Balancer<W> {
    fleet: Fleet,
    policy: Box<dyn Placement>,
    line: Line<W>,
    wants: Wants,
    slots: SharedSlots,
    /// Invokers that were usable when last looked at.
    usable: BTreeSet<InvokerId>,
    closed: bool,
}

impl<W> Balancer<W> {
    #[must_use]
    pub fn new(fleet: FleetConfig, line: LineConfig, policy: Box<dyn Placement>) -> Self {
        Self {
            fleet: Fleet::new(fleet),
            policy,
            line: Line::new(line),
            wants: Wants::default(),
            slots: SharedSlots::default(),
            usable: BTreeSet::new(),
            closed: false,
        }
    }

    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// How much waits.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whom to ask. Empty when nobody seems to have room, or work of the same action waits already: then it has to wait
    /// too. `salt` is different for each activation.
    #[must_use]
    pub fn probe(&self, key: &WorkKey, salt: u64) -> Probes {
        let mut probes = Probes { invokers: [InvokerId(0); PROBES], count: 0 };
        if self.closed || (self.line.len() > 0 && self.wants.is_waiting(key)) {
            return probes;
        }
        let candidates = self.candidates(key, salt);
        let pool = self.fleet.pool(key.blackbox);
        for (place, index) in probes.invokers.iter_mut().zip(candidates.with_room()) {
            *place = pool.invokers[*index].id;
            probes.count += 1;
        }
        probes
    }

    /// Work is being dispatched to an invoker.
    pub fn begin(&mut self, invoker: InvokerId, key: &Arc<WorkKey>) {
        let memory = self.slots.begin(key, invoker);
        self.fleet.take_memory(invoker, memory);
    }

    /// An invoker had no room for work that was begun; `free` megabytes is what it says it has.
    pub fn refused(&mut self, invoker: InvokerId, key: &Arc<WorkKey>, free: u64) {
        self.slots.end(key, invoker);
        // It has been wrong about this work, so until the next report it counts as too full for it.
        self.fleet.set_free(invoker, free.min(key.memory.saturating_sub(1)));
    }

    /// Work that was begun has ended, or nothing was heard of it in time. `None` when that says nothing about the invoker.
    pub fn ended(
        &mut self,
        invoker: InvokerId,
        key: &Arc<WorkKey>,
        outcome: Option<Outcome>,
        now: Instant,
    ) -> Vec<Effect<W>> {
        let memory = self.slots.end(key, invoker);
        self.fleet.return_memory(invoker, memory);
        let Some(outcome) = outcome else { return Vec::new() };
        let effects = self.fleet.result(invoker, outcome, Source::Activation, now);
        self.after([invoker], effects)
    }

    /// Nobody took it, so it waits. Its deadline is cut to the line's limit.
    ///
    /// # Errors
    /// The work and why it may not wait.
    pub fn wait(&mut self, mut work: Work<W>, now: Instant) -> Result<Vec<Effect<W>>, (Work<W>, Refusal)> {
        if self.closed {
            return Err((work, Refusal::Closed));
        }
        if let Err(refusal) = self.line.admit(&work.key.namespace) {
            return Err((work, refusal));
        }
        let asked = self.whom_to_ask(&work.key, &[]);
        if asked.is_empty() {
            return Err((work, Refusal::NoInvokers));
        }
        work.deadline = work.deadline.min(now + self.line.wait_limit());
        if work.deadline <= now {
            let limit = self.line.wait_limit();
            return Err((work, Refusal::WaitOver { limit }));
        }
        let mut effects = Vec::new();
        self.register(&work.key, &asked, &mut effects);
        self.line.push(Waiting { work, asked });
        Ok(effects)
    }

    /// An invoker had no room for work that was served, though it had offered it or was believed to have some. It goes
    /// back to the head of its namespace's part of the line, however full that is.
    pub fn returned(&mut self, invoker: InvokerId, work: Work<W>, free: u64, now: Instant) -> Vec<Effect<W>> {
        self.refused(invoker, &work.key, free);
        let refusal = match self.closed {
            true => Some(Refusal::Closed),
            false if work.deadline <= now => Some(Refusal::WaitOver { limit: self.line.wait_limit() }),
            false => None,
        };
        if let Some(refusal) = refusal {
            return vec![Effect::Refuse { work, refusal }];
        }
        let mut effects = Vec::new();
        let asked = self.whom_to_ask(&work.key, &[]);
        self.register(&work.key, &asked, &mut effects);
        self.line.push_front(Waiting { work, asked });
        effects
    }

    /// An invoker holds a slot for this controller. Work for its warm container comes first, then whose turn it is.
    pub fn offered(&mut self, invoker: InvokerId, offer: Offer) -> Vec<Effect<W>> {
        let decline = vec![Effect::Decline { invoker, offer: offer.id }];
        if !self.usable.contains(&invoker) {
            return decline;
        }
        let key = self.wants.key(offer.want).cloned();
        let served = match (offer.warm, key) {
            (true, Some(key)) => self.line.pop_warm(&key),
            (true, None) => None,
            (false, _) => self.pop_for(invoker, offer.memory, true),
        };
        served.map_or(decline, |waiting| self.serve(waiting, invoker, Some(offer.id)))
    }

    /// Refuses what waits and takes nothing more.
    pub fn close(&mut self) -> Vec<Effect<W>> {
        self.closed = true;
        let left = self.line.clear();
        self.refuse(left, Refusal::Closed)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Effect<W>> {
        let expired = self.line.expire(now);
        let mut effects = self.refuse(expired, Refusal::WaitOver { limit: self.line.wait_limit() });
        let fleet = self.fleet.tick(now);
        let changed: Vec<InvokerId> = fleet.iter().filter_map(changed).collect();
        effects.extend(self.after(changed, fleet));
        effects
    }

    /// When [`Balancer::tick`] has something to do next. May be earlier after any event.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.line.next_deadline().into_iter().chain(self.fleet.next_deadline()).min()
    }

    /// Gives believed room to those that wait and have not asked this invoker: where they have, it offers by itself.
    fn serve_by_belief(&mut self, invoker: InvokerId, effects: &mut Vec<Effect<W>>) {
        while self.line.len() > 0 && self.usable.contains(&invoker) {
            let free = self.fleet.view(invoker).map_or(0, |view| view.free_memory);
            let Some(waiting) = self.pop_for(invoker, free, false) else { return };
            effects.extend(self.serve(waiting, invoker, None));
        }
    }

    /// Whose turn it is among those that this invoker could run with so much memory.
    fn pop_for(&mut self, invoker: InvokerId, memory: u64, asked: bool) -> Option<Waiting<W>> {
        let fleet = &self.fleet;
        self.line.pop_fitting(|waiting| {
            let key = &waiting.work.key;
            key.memory <= memory
                && (asked || !waiting.asked.contains(&invoker))
                && fleet.may_run(invoker, key)
        })
    }

    fn serve(&mut self, waiting: Waiting<W>, invoker: InvokerId, offer: Option<OfferId>) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        let work = self.leave(waiting, &mut effects);
        self.begin(invoker, &work.key);
        effects.push(Effect::Serve { work, invoker, offer });
        effects
    }

    fn refuse(&mut self, left: Vec<Waiting<W>>, refusal: Refusal) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        for waiting in left {
            let work = self.leave(waiting, &mut effects);
            effects.push(Effect::Refuse { work, refusal });
        }
        effects
    }

    /// It waits no more, and those it has asked are told.
    fn leave(&mut self, waiting: Waiting<W>, effects: &mut Vec<Effect<W>>) -> Work<W> {
        let Waiting { work, asked } = waiting;
        for invoker in asked {
            self.wants.withdraw(&work.key, invoker, effects);
        }
        self.wants.waits_no_more(&work.key);
        work
    }

    fn register(&mut self, key: &Arc<WorkKey>, asked: &[InvokerId], effects: &mut Vec<Effect<W>>) {
        self.wants.waits(key);
        for invoker in asked {
            self.wants.register(key, *invoker, effects);
        }
    }

    fn candidates(&self, key: &WorkKey, salt: u64) -> Candidates {
        let open = self.slots.open(key);
        let request = PlacementRequest::of(key, &open, salt);
        self.policy.place(self.fleet.pool(key.blackbox), &request)
    }

    fn whom_to_ask(&self, key: &WorkKey, asked: &[InvokerId]) -> Vec<InvokerId> {
        whom_to_ask(&self.fleet, &*self.policy, key, asked)
    }
}

/// Invokers that are to know of work which has `asked` some already.
fn whom_to_ask(fleet: &Fleet, policy: &dyn Placement, key: &WorkKey, asked: &[InvokerId]) -> Vec<InvokerId> {
    let pool = fleet.pool(key.blackbox);
    let candidates = policy.place(pool, &PlacementRequest::of(key, &[], 0));
    let ids = candidates.all().iter().map(|index| pool.invokers[*index].id);
    ids.filter(|id| !asked.contains(id)).take(PROBES - asked.len()).collect()
}

fn changed(effect: &FleetEffect) -> Option<InvokerId> {
    match effect {
        FleetEffect::Changed { invoker, .. } => Some(*invoker),
        _ => None,
    }
}
