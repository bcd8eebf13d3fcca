//! The container pool: which activation runs in which container, and which containers there are.
//!
//! Pure and synchronous: no I/O, no clock (time is passed in), no task. What the world has to do is returned as
//! [`Effect`]s; what happened comes back through the methods of [`Pool`]. The invariants, tested as properties:
//!
//! - the memory of all containers, those being removed included, never exceeds what the pool has;
//! - a container never has more activations than slots, and serves one action, revision and namespace only;
//! - nobody waits for what is there, except behind the one request whose turn it is (see `pump`);
//! - whoever waits is served, refused when its wait is over, or told that its container failed.
//!
//! Selection: a warm container of the same namespace, action and revision with a free slot, first those in which something
//! runs, of the idle ones the most recently used; else a prewarmed one of the same kind and memory; else a new one, for which idle ones are evicted; else the
//! request waits. One that had a container ordered may be served earlier by a warm one that becomes free: the new
//! container then goes to the next who waits for such a one, or stays as a prewarmed one.

mod census;
mod effect;
mod entry;
mod group;
mod key;
mod life;
mod prewarm;
mod pump;
mod room;
#[cfg(test)]
mod tests;
mod timers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use oxwhisk_invoker_api::ChangedAction;
use slab::Slab;

pub(crate) use census::Census;
pub(crate) use effect::{Effect, Effects, Lease, Memory, Refusal, Release, Start};
pub(crate) use entry::ContainerId;
use entry::{Entry, Phase};
pub(crate) use group::GroupId;
use group::{Groups, Waiter};
pub(crate) use key::{ActionKey, Shape};
use prewarm::StemCells;

use crate::config::InvokerConfig;
use crate::keep_alive::KeepAlivePolicy;

#[derive(Debug)]
struct Settings {
    pause_grace: Duration,
    idle_timeout: Duration,
    wait_limit: Duration,
    patience: Duration,
    queue_max: usize,
    queue_max_per_namespace: usize,
}

/// `H` is what the owner needs to use a container, `W` how it reaches one who waits.
#[derive(Debug)]
pub(crate) struct Pool<H, W> {
    settings: Settings,
    policy: Box<dyn KeepAlivePolicy>,
    entries: Slab<Entry<H>>,
    groups: Groups<W>,
    stem_cells: StemCells,
    memory: Memory,
    /// Activations that wait, in all groups.
    waiting: usize,
    turn: pump::Turn,
    timers: BinaryHeap<Reverse<(Instant, ContainerId)>>,
    serial: u64,
    idle_sequence: u64,
    /// No new containers and no waiting any more.
    closed: bool,
}

impl<H: Clone, W> Pool<H, W> {
    pub(crate) fn new(config: &InvokerConfig, now: Instant) -> Self {
        Self {
            settings: Settings {
                pause_grace: config.pause_grace,
                idle_timeout: config.idle_timeout,
                wait_limit: config.queue.wait_limit,
                patience: config.queue.patience,
                queue_max: config.queue.max,
                queue_max_per_namespace: config.queue.max_per_namespace,
            },
            policy: config.keep_alive.policy(config.idle_timeout),
            entries: Slab::new(),
            groups: Groups::new(),
            stem_cells: StemCells::new(&config.prewarm, config.max_concurrency > 1, now),
            memory: Memory { total: config.user_memory, ..Memory::default() },
            waiting: 0,
            turn: pump::Turn::default(),
            timers: BinaryHeap::new(),
            serial: 0,
            idle_sequence: 0,
            closed: false,
        }
    }

    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    /// Activations that wait for a container.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Starts the first stem cells.
    pub(crate) fn start(&mut self, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        self.backfill(now, &mut effects);
        effects
    }

    /// The warm path: a free slot of a warm container, unless somebody waits already.
    pub(crate) fn try_acquire(&mut self, key: &ActionKey) -> Option<Lease<H>> {
        if self.waiting > 0 || self.closed {
            return None;
        }
        let group = self.groups.find(key)?;
        self.take_warm(group, Start::Warmed)
    }

    /// Waits for a container. `since` is when its wait began: earlier than now if it lost the container it had.
    ///
    /// # Errors
    /// When it may not wait.
    pub(crate) fn enqueue(
        &mut self,
        key: &ActionKey,
        payload: W,
        since: Instant,
        now: Instant,
    ) -> Result<Effects<H, W>, Refusal> {
        self.admit(key)?;
        let id = self.groups.find_or_add(key);
        let waiters = &mut self.groups.get_mut(id).waiters;
        let place = waiters.partition_point(|other| other.since <= since);
        waiters.insert(place, Waiter { payload, since, overtaken: false });
        self.waiting += 1;
        // Everybody waits equally long, so only the first of them can bring the next deadline nearer, or one that
        // came back.
        let mut effects = if self.waiting == 1 || since < now { vec![Effect::Rearm] } else { Vec::new() };
        self.pump(now, &mut effects);
        Ok(effects)
    }

    fn admit(&self, key: &ActionKey) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if key.memory() > self.memory.total {
            return Err(Refusal::TooLarge { total: self.memory.total });
        }
        if self.waiting >= self.settings.queue_max {
            return Err(Refusal::QueueFull { max: self.settings.queue_max });
        }
        let max = self.settings.queue_max_per_namespace;
        // Only summed up when there are so many that the bound can be reached.
        if self.waiting >= max {
            let own = self.groups.iter().filter(|(_, group)| group.key.namespace == key.namespace);
            if own.map(|(_, group)| group.waiters.len()).sum::<usize>() >= max {
                return Err(Refusal::NamespaceQueueFull { max });
            }
        }
        Ok(())
    }

    /// The container's process runs.
    pub(crate) fn created(&mut self, id: ContainerId, handle: H, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        let Some(entry) = self.entry(id) else { return effects };
        entry.startup = now.saturating_duration_since(entry.ordered);
        entry.handle = Some(handle);
        let (doomed, group, stem_cell) = (entry.doomed, entry.group, entry.stem_cell);
        if let Some(stem_cell) = stem_cell {
            self.stem_cells.started(stem_cell);
        }
        if doomed {
            self.remove(id, &mut effects);
        } else if let Some(group) = group.filter(|group| !self.groups.get(*group).waiters.is_empty()) {
            self.grant_uninitialised(id, group, &mut effects);
        } else {
            self.leave_uninitialised(id, now, &mut effects);
        }
        self.pump(now, &mut effects);
        effects
    }

    /// The container could not be made. Answers the activation that it was made for, if one still waits.
    pub(crate) fn create_failed(&mut self, id: ContainerId, now: Instant) -> (Option<W>, Effects<H, W>) {
        let mut effects = Vec::new();
        let Some(entry) = self.entry(id) else { return (None, effects) };
        if let Some(stem_cell) = entry.stem_cell {
            self.stem_cells.failed(stem_cell);
        }
        let group = self.entries[id.place].group;
        let victim = group.and_then(|group| self.groups.get_mut(group).waiters.pop_front());
        self.waiting -= usize::from(victim.is_some());
        self.forget(id);
        self.pump(now, &mut effects);
        (victim.map(|waiter| waiter.payload), effects)
    }

    /// The code is in the container. `startup` is the whole time it took to get there.
    pub(crate) fn initialised(&mut self, id: ContainerId, startup: Duration, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        let Some(entry) = self.entry(id).filter(|entry| entry.phase == Phase::Initialising) else {
            return effects;
        };
        entry.phase = Phase::Warm;
        entry.startup = startup;
        let (slots, doomed, group) = (entry.slots as usize, entry.doomed, entry.group);
        if let Some(group) = group {
            let group = self.groups.get_mut(group);
            group.arriving -= slots - 1;
            if slots > 1 && !doomed {
                group.free.push(id);
            }
        }
        if self.waiting > 0 {
            self.pump(now, &mut effects);
        }
        effects
    }

    /// An activation is done with its container.
    pub(crate) fn release(&mut self, id: ContainerId, how: Release, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        let Some(entry) = self.entry(id) else { return effects };
        let uninitialised = entry.phase == Phase::Initialising;
        entry.suspended = false;
        // Code that got half way in is no better than a failed run.
        if how == Release::Destroy || (uninitialised && how == Release::Keep) {
            self.doom(id);
        }
        if uninitialised {
            self.return_uninitialised(id, now, &mut effects);
        } else {
            self.return_slot(id, now, &mut effects);
        }
        if self.waiting > 0 {
            self.pump(now, &mut effects);
        }
        effects
    }

    /// A container that was to be destroyed is gone.
    pub(crate) fn removed(&mut self, id: ContainerId, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        if self.entry(id).is_some() {
            self.forget(id);
            self.pump(now, &mut effects);
        }
        effects
    }

    /// Whether a container that was to be suspended is still not in use.
    pub(crate) fn may_suspend(&self, id: ContainerId) -> bool {
        let entry = self.entries.get(id.place).filter(|entry| entry.id == id);
        entry.is_some_and(|entry| entry.suspended && entry.is_idle())
    }

    /// Removes the containers of an action's older revisions: the idle ones at once, the others when their activations
    /// end.
    pub(crate) fn invalidate(&mut self, changed: &ChangedAction, now: Instant) -> Effects<H, W> {
        let groups = &self.groups;
        let is_outdated = |entry: &Entry<H>| {
            let action = entry.group.map(|group| &groups.get(group).key.action);
            action.is_some_and(|action| changed.outdates(&action.id, &action.revision))
                && matches!(entry.phase, Phase::Initialising | Phase::Warm)
        };
        let stale: Vec<_> =
            self.entries.iter().filter(|(_, entry)| is_outdated(entry)).map(|(_, e)| e.id).collect();
        self.dismiss(stale, now)
    }

    /// Takes nothing more and removes every idle container; the others follow when they are released. Whoever waits
    /// is refused.
    pub(crate) fn close(&mut self, now: Instant) -> Effects<H, W> {
        self.closed = true;
        let mut effects = self.refuse_all();
        let all: Vec<_> = self.entries.iter().map(|(_, entry)| entry.id).collect();
        effects.extend(self.dismiss(all, now));
        effects
    }

    /// Handles of all containers that have started, whatever they do.
    pub(crate) fn handles(&self) -> Vec<H> {
        self.entries.iter().filter_map(|(_, entry)| entry.handle.clone()).collect()
    }

    fn dismiss(&mut self, containers: Vec<ContainerId>, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        for id in containers {
            self.doom(id);
            if self.entries[id.place].is_idle() {
                self.remove(id, &mut effects);
            }
        }
        self.pump(now, &mut effects);
        effects
    }
}
