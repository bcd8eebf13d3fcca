//! The invokers as one controller knows them: who is there, who is well, who is in service, how much room each has.
//!
//! Events come in as method calls with the time, what the world has to do comes back as [`FleetEffect`]s. The views that
//! placement reads are kept up to date in place, so that a decision copies nothing; an invoker's place among them is its
//! id, as in OpenWhisk: a number that was never heard of is an invoker that is offline.

mod effect;
mod health;
mod invoker;
mod results;
pub mod test_action;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_core::id::InvokerId;

pub use effect::{FleetEffect, Loss};
pub use health::Source;
pub use invoker::{Heartbeat, InvokerInfo, Kinds, Report, Service, State};
pub use results::{Outcome, REMEMBERED, TOLERATED};

use crate::placement::{InvokerView, PoolFractions, StepSizes};
use invoker::Invoker;

#[derive(Clone, Debug)]
pub struct FleetConfig {
    pub pools: PoolFractions,
    /// An invoker with no stream and no heartbeat for this long is offline.
    pub offline_after: Duration,
    /// Between two test actions to an invoker that does not answer them.
    pub test_interval: Duration,
    /// Ids from here on are refused: a wrong one must not take memory for all those below it.
    pub max_invokers: u32,
}

impl Default for FleetConfig {
    fn default() -> Self {
        Self {
            pools: PoolFractions::default(),
            offline_after: Duration::from_secs(10),
            test_interval: Duration::from_secs(60),
            max_invokers: 10_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} is refused: ids go to {}", max - 1)]
pub struct UnknownInvoker {
    pub id: InvokerId,
    pub max: u32,
}

#[derive(Debug)]
struct Pool {
    start: usize,
    end: usize,
    steps: StepSizes,
}

impl Pool {
    fn new(config: &FleetConfig, count: usize, blackbox: bool) -> Self {
        let part = config.pools.part(count, blackbox);
        Self { start: part.start, end: part.end, steps: StepSizes::new(part.len()) }
    }
}

#[derive(Debug)]
pub struct Fleet {
    config: FleetConfig,
    invokers: Vec<Invoker>,
    /// As many as `invokers`.
    views: Vec<InvokerView>,
    managed: Pool,
    blackbox: Pool,
}

impl Fleet {
    #[must_use]
    pub fn new(config: FleetConfig) -> Self {
        let (managed, blackbox) = (Pool::new(&config, 0, false), Pool::new(&config, 0, true));
        Self { config, invokers: Vec::new(), views: Vec::new(), managed, blackbox }
    }

    /// An invoker says that it is there, and where.
    ///
    /// # Errors
    /// When its id is beyond the greatest.
    pub fn heartbeat(
        &mut self,
        heartbeat: Heartbeat,
        now: Instant,
    ) -> Result<Vec<FleetEffect>, UnknownInvoker> {
        let Heartbeat { id, name, address, version, report } = heartbeat;
        let index = self.place(id)?;
        let invoker = &mut self.invokers[index];
        let moved = invoker.address != address;
        (invoker.name, invoker.address, invoker.version, invoker.was_heard) = (name, address, version, true);
        let connected = invoker.health.is_stream_open();
        if !connected {
            self.believe(index, report);
        }
        // What its stream says holds more than what a heartbeat says.
        let enabled = self.invokers[index].enabled;
        let mut effects = self.change(index, now, |health, _| health.heard(enabled, now));
        if moved || !connected {
            let address = Arc::clone(&self.invokers[index].address);
            effects.push(FleetEffect::Connect { invoker: id, address });
        }
        Ok(effects)
    }

    /// A stream is open, and the certificate at its other end names this invoker. `incarnation` is different for each of
    /// its processes.
    ///
    /// # Errors
    /// When its id is beyond the greatest.
    pub fn stream_opened(
        &mut self,
        id: InvokerId,
        incarnation: u64,
        report: Report,
        now: Instant,
    ) -> Result<Vec<FleetEffect>, UnknownInvoker> {
        let index = self.place(id)?;
        let mut effects = Vec::new();
        self.invokers[index].was_heard = true;
        let before = self.invokers[index].incarnation.replace(incarnation);
        if before.is_some_and(|before| before != incarnation) {
            effects.extend(self.change(index, now, |health, _| health.restarted()));
            if !self.invokers[index].health.is_gone() {
                effects.push(FleetEffect::Lost { invoker: id, how: Loss::Dead });
            }
        }
        effects.extend(self.change(index, now, |health, _| health.stream_opened()));
        effects.extend(self.report(id, report, now));
        Ok(effects)
    }

    /// A stream ended. `dead`: and the address refuses new ones, so the process is gone.
    pub fn stream_closed(&mut self, id: InvokerId, dead: bool, now: Instant) -> Vec<FleetEffect> {
        let Some(index) = self.index(id) else { return Vec::new() };
        let mut effects = self.change(index, now, |health, _| health.stream_closed(dead, now));
        for effect in &mut effects {
            if let FleetEffect::Lost { how, .. } = effect {
                *how = Loss::Dead;
            }
        }
        effects
    }

    /// What an invoker says over its stream.
    pub fn report(&mut self, id: InvokerId, report: Report, now: Instant) -> Vec<FleetEffect> {
        let Some(index) = self.index(id) else { return Vec::new() };
        let enabled = report.enabled;
        self.believe(index, report);
        self.change(index, now, |health, _| health.heard(enabled, now))
    }

    /// An activation ended, or nothing was heard of it in time.
    pub fn result(
        &mut self,
        id: InvokerId,
        outcome: Outcome,
        source: Source,
        now: Instant,
    ) -> Vec<FleetEffect> {
        let Some(index) = self.index(id) else { return Vec::new() };
        self.change(index, now, |health, config| health.result(outcome, source, config, now))
    }

    /// What an administrator wants of an invoker, also of one that was not heard of yet.
    ///
    /// # Errors
    /// When its id is beyond the greatest.
    pub fn set_service(
        &mut self,
        id: InvokerId,
        service: Service,
        now: Instant,
    ) -> Result<Vec<FleetEffect>, UnknownInvoker> {
        let index = self.place(id)?;
        self.invokers[index].service = service;
        Ok(self.change(index, now, |_, _| ()))
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<FleetEffect> {
        let mut effects = Vec::new();
        for index in 0..self.invokers.len() {
            effects.extend(self.change(index, now, |health, config| health.tick(config, now)));
        }
        effects
    }

    /// When [`Fleet::tick`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadline = |invoker: &Invoker| {
            let tests = invoker.service != Service::Disabled;
            invoker.health.next_deadline(tests, &self.config)
        };
        self.invokers.iter().filter_map(deadline).min()
    }

    /// Megabytes were given to work there; corrected by the next report.
    pub(crate) fn take_memory(&mut self, id: InvokerId, memory: u64) {
        if let Some(view) = self.views.get_mut(id.0 as usize) {
            view.free_memory = view.free_memory.saturating_sub(memory);
        }
    }

    pub(crate) fn return_memory(&mut self, id: InvokerId, memory: u64) {
        let Some(index) = self.index(id) else { return };
        let all = self.invokers[index].memory;
        let view = &mut self.views[index];
        view.free_memory = (view.free_memory + memory).min(all);
    }

    pub(crate) fn set_free(&mut self, id: InvokerId, free: u64) {
        if let Some(view) = self.views.get_mut(id.0 as usize) {
            view.free_memory = free;
        }
    }

    fn index(&self, id: InvokerId) -> Option<usize> {
        Some(id.0 as usize).filter(|index| *index < self.invokers.len())
    }

    /// Makes a place for an id. The pools grow with it.
    fn place(&mut self, id: InvokerId) -> Result<usize, UnknownInvoker> {
        if id.0 >= self.config.max_invokers {
            return Err(UnknownInvoker { id, max: self.config.max_invokers });
        }
        let index = id.0 as usize;
        if index >= self.invokers.len() {
            self.invokers.resize_with(index + 1, Invoker::default);
            for id in self.views.len()..=index {
                let id = InvokerId(u32::try_from(id).unwrap_or(u32::MAX));
                self.views.push(InvokerView { id, usable: false, free_memory: 0, kinds: Kinds::All });
            }
            self.managed = Pool::new(&self.config, index + 1, false);
            self.blackbox = Pool::new(&self.config, index + 1, true);
        }
        Ok(index)
    }

    fn believe(&mut self, index: usize, report: Report) {
        let (invoker, view) = (&mut self.invokers[index], &mut self.views[index]);
        invoker.memory = report.memory;
        invoker.enabled = report.enabled;
        view.free_memory = report.free.min(report.memory);
        if view.kinds != report.kinds {
            view.kinds = report.kinds;
        }
    }

    /// Lets something happen to an invoker's health, and says what follows.
    fn change(
        &mut self,
        index: usize,
        now: Instant,
        event: impl FnOnce(&mut health::Health, &FleetConfig),
    ) -> Vec<FleetEffect> {
        let mut effects = Vec::new();
        let (invoker, view) = (&mut self.invokers[index], &mut self.views[index]);
        let (from, was_gone) = (invoker.health.state(), invoker.health.is_gone());
        event(&mut invoker.health, &self.config);
        let to = invoker.health.state();
        if from != to {
            effects.push(FleetEffect::Changed { invoker: view.id, from, to });
        }
        if invoker.health.is_gone() && !was_gone {
            effects.push(FleetEffect::Lost { invoker: view.id, how: Loss::Silent });
        }
        if invoker.service != Service::Disabled && invoker.health.take_test(&self.config, now) {
            effects.push(FleetEffect::SendTestAction { invoker: view.id });
        }
        view.usable =
            invoker.service == Service::Enabled && to == State::Healthy && invoker.health.is_stream_open();
        effects
    }
}
