//! Events of the fleet: who comes and goes, and what that means for those that wait.

use std::time::Instant;

use oxwhisk_core::id::InvokerId;

use super::{Balancer, Effect, whom_to_ask};
use crate::fleet::{FleetEffect, Heartbeat, Outcome, Report, Service, Source, UnknownInvoker};
use crate::placement::PROBES;

impl<W> Balancer<W> {
    /// See [`Fleet::heartbeat`].
    ///
    /// # Errors
    /// As there.
    pub fn heartbeat(
        &mut self,
        heartbeat: Heartbeat,
        now: Instant,
    ) -> Result<Vec<Effect<W>>, UnknownInvoker> {
        let id = heartbeat.id;
        let effects = self.fleet.heartbeat(heartbeat, now)?;
        Ok(self.after([id], effects))
    }

    /// See [`Fleet::stream_opened`].
    ///
    /// # Errors
    /// As there.
    pub fn stream_opened(
        &mut self,
        id: InvokerId,
        incarnation: u64,
        report: Report,
        now: Instant,
    ) -> Result<Vec<Effect<W>>, UnknownInvoker> {
        let effects = self.fleet.stream_opened(id, incarnation, report, now)?;
        let mut effects = self.after([id], effects);
        self.serve_by_belief(id, &mut effects);
        Ok(effects)
    }

    /// See [`Fleet::stream_closed`].
    pub fn stream_closed(&mut self, id: InvokerId, dead: bool, now: Instant) -> Vec<Effect<W>> {
        let effects = self.fleet.stream_closed(id, dead, now);
        self.after([id], effects)
    }

    /// What an invoker says over its stream. Room that it has not been asked for is used by who waits.
    pub fn report(&mut self, id: InvokerId, report: Report, now: Instant) -> Vec<Effect<W>> {
        let effects = self.fleet.report(id, report, now);
        let mut effects = self.after([id], effects);
        self.serve_by_belief(id, &mut effects);
        effects
    }

    /// A test action ended, or nothing was heard of it in time.
    pub fn tested(&mut self, id: InvokerId, outcome: Outcome, now: Instant) -> Vec<Effect<W>> {
        let effects = self.fleet.result(id, outcome, Source::TestAction, now);
        let mut effects = self.after([id], effects);
        self.serve_by_belief(id, &mut effects);
        effects
    }

    /// See [`Fleet::set_service`].
    ///
    /// # Errors
    /// As there.
    pub fn set_service(
        &mut self,
        id: InvokerId,
        service: Service,
        now: Instant,
    ) -> Result<Vec<Effect<W>>, UnknownInvoker> {
        let effects = self.fleet.set_service(id, service, now)?;
        Ok(self.after([id], effects))
    }

    /// Follows up a change in the fleet: who asked an invoker that is out of service asks others instead.
    pub(super) fn after(
        &mut self,
        touched: impl IntoIterator<Item = InvokerId>,
        fleet: Vec<FleetEffect>,
    ) -> Vec<Effect<W>> {
        for effect in &fleet {
            if let FleetEffect::Lost { invoker, .. } = effect {
                self.slots.forget(*invoker);
            }
        }
        let mut effects: Vec<_> = fleet.into_iter().map(Effect::Fleet).collect();
        let mut changed = false;
        for id in touched {
            let usable = self.fleet.view(id).is_some_and(|view| view.usable);
            if usable == self.usable.contains(&id) {
                continue;
            }
            changed = true;
            if usable {
                self.usable.insert(id);
            } else {
                self.usable.remove(&id);
                self.withdraw_from(id, &mut effects);
            }
        }
        if changed && self.line.len() > 0 {
            self.ask_more(&mut effects);
        }
        effects
    }

    fn withdraw_from(&mut self, invoker: InvokerId, effects: &mut Vec<Effect<W>>) {
        for waiting in self.line.iter_mut().filter(|waiting| waiting.asked.contains(&invoker)) {
            waiting.asked.retain(|asked| *asked != invoker);
            self.wants.withdraw(&waiting.work.key, invoker, effects);
        }
    }

    /// Whoever has asked fewer invokers than it may asks more.
    fn ask_more(&mut self, effects: &mut Vec<Effect<W>>) {
        for waiting in self.line.iter_mut().filter(|waiting| waiting.asked.len() < PROBES) {
            let key = &waiting.work.key;
            let more = whom_to_ask(&self.fleet, &*self.policy, key, &waiting.asked);
            for invoker in more {
                self.wants.register(key, invoker, effects);
                waiting.asked.push(invoker);
            }
        }
    }
}
