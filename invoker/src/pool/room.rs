//! The pool as offers see it.

use oxwhisk_invoker_api::offers::{Room, WorkKey};

use super::Pool;
use super::entry::Entry;

impl<H: Clone, W> Pool<H, W> {
    /// Warm containers of this work with a free slot.
    fn open_containers(&self, key: &WorkKey) -> impl Iterator<Item = &Entry<H>> {
        let group = self.groups.find_named(key).filter(|_| !self.closed);
        let free = group.map(|group| self.groups.get(group).free.as_slice()).unwrap_or_default();
        free.iter().map(|id| &self.entries[id.place])
    }
}

impl<H, W> Pool<H, W> {
    /// Megabytes of containers that are still to be ordered for those who wait.
    fn waited_for(&self) -> u64 {
        if self.waiting == 0 {
            return 0;
        }
        self.groups.iter().map(|(_, group)| group.uncovered() as u64 * group.key.memory()).sum()
    }
}

impl<H: Clone, W> Room for Pool<H, W> {
    /// What waits in the pool itself comes first: memory that is about to be free is its, then what is free.
    fn memory(&self) -> u64 {
        if self.closed {
            return 0;
        }
        let free = self.memory.total - self.memory.used + self.memory.idle;
        free.saturating_sub(self.waited_for().saturating_sub(self.memory.removing))
    }

    fn coming(&self) -> u64 {
        if self.closed { 0 } else { self.memory.removing.saturating_sub(self.waited_for()) }
    }

    fn busy_slots(&self, key: &WorkKey) -> u32 {
        let busy = self.open_containers(key).filter(|entry| entry.active > 0);
        busy.map(|entry| entry.slots - entry.active).sum()
    }

    fn idle_containers(&self, key: &WorkKey) -> u32 {
        let idle = self.open_containers(key).filter(|entry| entry.active == 0).count();
        u32::try_from(idle).unwrap_or(u32::MAX)
    }
}
