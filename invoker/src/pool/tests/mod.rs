//! The pool in a world that does at once, or as a property test pleases, what the pool wants.

mod claims;
mod properties;
mod room;
mod selection;
mod stem_cells;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_core::id::Revision;
use oxwhisk_core::name::EntityName;

use super::entry::Phase;
use super::*;
use crate::keep_alive::KeepAlive;
use crate::run::tests::action;

/// One who waits, known by a number.
type Number = u32;

/// A pool, a clock, and what is going on outside.
pub(super) struct World {
    pub(super) pool: Pool<u64, Number>,
    pub(super) now: Instant,
    /// Ordered and not yet made.
    pub(super) creating: Vec<(ContainerId, Arc<Shape>)>,
    pub(super) removing: Vec<ContainerId>,
    /// Activations that have a container.
    pub(super) leases: BTreeMap<Number, Lease<u64>>,
    pub(super) refused: Vec<(Number, Refusal)>,
    pub(super) failed: Vec<Number>,
    pub(super) suspended: Vec<ContainerId>,
    /// What each activation asked for.
    pub(super) keys: BTreeMap<Number, ActionKey>,
    next: Number,
}

pub(super) fn config(memory: u64) -> InvokerConfig {
    InvokerConfig { user_memory: memory, ..InvokerConfig::default() }
}

/// An action of a namespace: its name, memory and concurrency, all in one word such as `a:256:2`.
pub(super) fn key(namespace: &str, text: &str) -> ActionKey {
    let mut parts = text.split(':');
    let name = parts.next().unwrap();
    let mut number = |default| parts.next().map_or(default, |part| part.parse().unwrap());
    let (memory, concurrency) = (number(256), number(1));
    let action = action(&format!("/guest/{name}"), memory, concurrency);
    ActionKey { namespace: EntityName::new(namespace).unwrap(), action: Arc::new(action) }
}

pub(super) fn revised(key: &ActionKey, revision: &str) -> ActionKey {
    let mut action = (*key.action).clone();
    action.revision = Revision(revision.to_owned());
    ActionKey { namespace: key.namespace.clone(), action: Arc::new(action) }
}

impl World {
    pub(super) fn new(config: &InvokerConfig) -> Self {
        let now = Instant::now();
        let mut world = Self {
            pool: Pool::new(config, now),
            now,
            creating: Vec::new(),
            removing: Vec::new(),
            leases: BTreeMap::new(),
            refused: Vec::new(),
            failed: Vec::new(),
            suspended: Vec::new(),
            keys: BTreeMap::new(),
            next: 0,
        };
        let effects = world.pool.start(now);
        world.apply(effects);
        world
    }

    pub(super) fn apply(&mut self, effects: Effects<u64, Number>) {
        for effect in effects {
            match effect {
                Effect::Grant { waiter, lease } => assert!(self.leases.insert(waiter, lease).is_none()),
                Effect::Refuse { waiter, refusal, .. } => self.refused.push((waiter, refusal)),
                Effect::Create { container, shape, .. } => self.creating.push((container, shape)),
                Effect::Suspend { container, .. } => self.suspended.push(container),
                Effect::Destroy { container, .. } => self.removing.push(container),
                Effect::Rearm => {}
            }
        }
    }

    /// An activation arrives; its number.
    pub(super) fn arrive(&mut self, key: &ActionKey) -> Number {
        self.next += 1;
        let number = self.next;
        self.keys.insert(number, key.clone());
        if let Some(lease) = self.pool.try_acquire(key) {
            self.leases.insert(number, lease);
        } else {
            match self.pool.enqueue(key, number, self.now, self.now) {
                Ok(effects) => self.apply(effects),
                Err(refusal) => self.refused.push((number, refusal)),
            }
        }
        number
    }

    /// The container that was ordered first runs.
    pub(super) fn create(&mut self) {
        let (id, _) = self.creating.remove(0);
        let effects = self.pool.created(id, id.serial, self.now);
        self.apply(effects);
    }

    pub(super) fn fail_creation(&mut self, place: usize) {
        let (id, _) = self.creating.remove(place);
        let (victim, effects) = self.pool.create_failed(id, self.now);
        self.failed.extend(victim);
        self.apply(effects);
    }

    pub(super) fn removed(&mut self, place: usize) {
        let id = self.removing.remove(place);
        let effects = self.pool.removed(id, self.now);
        self.apply(effects);
    }

    /// Puts the code in, if it is not yet.
    pub(super) fn initialise(&mut self, number: Number) {
        let lease = self.leases.get_mut(&number).unwrap();
        if std::mem::take(&mut lease.uninitialised) {
            let id = lease.container;
            let effects = self.pool.initialised(id, Duration::from_millis(100), self.now);
            self.apply(effects);
        }
    }

    pub(super) fn finish(&mut self, number: Number, how: Release) {
        let id = self.leases.remove(&number).unwrap().container;
        let effects = self.pool.release(id, how, self.now);
        self.apply(effects);
    }

    /// Initialises and ends well.
    pub(super) fn run(&mut self, number: Number) {
        self.initialise(number);
        self.finish(number, Release::Keep);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        let effects = self.pool.tick(self.now);
        self.apply(effects);
    }

    /// Makes a warm, idle container of the action.
    pub(super) fn warm_up(&mut self, key: &ActionKey) -> ContainerId {
        let number = self.arrive(key);
        while !self.leases.contains_key(&number) {
            if self.creating.is_empty() { self.removed(0) } else { self.create() }
        }
        let id = self.leases[&number].container;
        self.run(number);
        id
    }

    pub(super) fn has(&self, number: Number) -> bool {
        self.leases.contains_key(&number)
    }

    /// What must hold at all times.
    pub(super) fn check(&self) {
        let pool = &self.pool;
        let memory = |filter: &dyn Fn(&Entry<u64>) -> bool| -> u64 {
            pool.entries.iter().filter(|(_, e)| filter(e)).map(|(_, e)| e.shape.memory).sum()
        };
        let sums = pool.memory();
        assert!(sums.used <= sums.total, "memory is over-committed: {sums:?}");
        assert_eq!(sums.used, memory(&|_| true));
        assert_eq!(sums.idle, memory(&|e| e.is_idle()));
        assert_eq!(sums.removing, memory(&|e| e.phase == Phase::Removing));
        for (_, entry) in pool.entries.iter() {
            assert!(entry.active <= entry.slots, "too many activations: {entry:?}");
            let leased = self.leases.values().filter(|lease| lease.container == entry.id).count();
            assert_eq!(entry.active as usize, leased, "{entry:?}");
        }
        for (number, lease) in &self.leases {
            let entry = &pool.entries[lease.container.place];
            assert_eq!(entry.id, lease.container);
            assert_eq!(
                pool.groups.get(entry.group.unwrap()).key,
                self.keys[number],
                "a stranger's container"
            );
        }
        let waiting: usize = pool.groups.iter().map(|(_, group)| group.waiters.len()).sum();
        assert_eq!(waiting, pool.waiting());
        for (id, group) in pool.groups.iter() {
            let members = pool.entries.iter().filter(|(_, entry)| entry.group == Some(id));
            assert_eq!(members.count(), group.members);
            assert!(group.members > 0 || !group.waiters.is_empty(), "a group without use is kept");
        }
        self.check_nobody_waits_in_vain();
    }

    fn check_nobody_waits_in_vain(&self) {
        let pool = &self.pool;
        if pool.turn.is_held() {
            return;
        }
        let memory = pool.memory();
        for (_, group) in pool.groups.iter().filter(|(_, group)| !group.waiters.is_empty()) {
            assert!(group.free.is_empty(), "waits beside a warm container: {group:?}");
            if group.uncovered() == 0 {
                continue;
            }
            let prewarmed =
                pool.entries.iter().any(|(_, e)| e.phase == Phase::Prewarmed && e.shape.fits(&group.key));
            assert!(!prewarmed, "waits beside a prewarmed container: {group:?}");
            let needed = group.key.memory();
            // What is being removed may be promised to another.
            assert!(
                needed > memory.total - memory.used + memory.idle || memory.removing > 0,
                "{group:?} {memory:?}"
            );
        }
    }
}

/// An LRU pool of this many megabytes.
pub(super) fn world(memory: u64) -> World {
    World::new(&config(memory))
}

pub(super) fn greedy_dual(memory: u64) -> World {
    World::new(&InvokerConfig { keep_alive: KeepAlive::GreedyDual, ..config(memory) })
}
