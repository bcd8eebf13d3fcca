//! A container pool as simple as it can be: cold starts, warm containers, eviction by last use.

use std::sync::Arc;

use oxwhisk_invoker_api::offers::{Room, WorkKey};

#[derive(Debug)]
struct Container {
    key: Arc<WorkKey>,
    active: u32,
    /// Microseconds of the simulation.
    last_used: u64,
}

#[derive(Debug)]
pub struct ContainerPool {
    total: u64,
    containers: Vec<Container>,
}

impl ContainerPool {
    #[must_use]
    pub fn new(total: u64) -> Self {
        Self { total, containers: Vec::new() }
    }

    /// Megabytes of containers in which something runs.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.containers.iter().filter(|one| one.active > 0).map(|one| one.key.memory).sum()
    }

    /// Takes a slot; `true` if its container is warm.
    ///
    /// # Panics
    /// When there is no room: whoever lets work in has to know that there is.
    pub fn start(&mut self, key: &Arc<WorkKey>, now: u64) -> bool {
        let fits = |one: &Container| one.key == *key && one.active < key.slots;
        // A running container before an idle one, so that idle ones stay evictable.
        let warm =
            self.containers.iter_mut().filter(|one| fits(one)).max_by_key(|one| (one.active, one.last_used));
        if let Some(warm) = warm {
            warm.active += 1;
            return true;
        }
        self.evict(key.memory);
        self.containers.push(Container { key: Arc::clone(key), active: 1, last_used: now });
        let used: u64 = self.containers.iter().map(|one| one.key.memory).sum();
        assert!(used <= self.total, "{used} MB of containers on an invoker of {} MB", self.total);
        false
    }

    fn evict(&mut self, memory: u64) {
        let mut used: u64 = self.containers.iter().map(|one| one.key.memory).sum();
        while used + memory > self.total {
            let idle = self.containers.iter().enumerate().filter(|(_, one)| one.active == 0);
            let Some((oldest, _)) = idle.min_by_key(|(_, one)| one.last_used) else { return };
            used -= self.containers.remove(oldest).key.memory;
        }
    }

    /// # Panics
    /// When nothing of this kind runs.
    pub fn end(&mut self, key: &WorkKey, now: u64) {
        let running = self.containers.iter_mut().find(|one| *one.key == *key && one.active > 0);
        let Some(container) = running else { panic!("nothing of {} runs", key.action) };
        container.active -= 1;
        container.last_used = now;
    }
}

impl Room for ContainerPool {
    fn memory(&self) -> u64 {
        self.total - self.busy()
    }

    fn busy_slots(&self, key: &WorkKey) -> u32 {
        let busy = self.containers.iter().filter(|one| *one.key == *key && one.active > 0);
        busy.map(|one| key.slots - one.active).sum()
    }

    fn idle_containers(&self, key: &WorkKey) -> u32 {
        let idle = self.containers.iter().filter(|one| *one.key == *key && one.active == 0).count();
        u32::try_from(idle).unwrap_or(u32::MAX)
    }
}
