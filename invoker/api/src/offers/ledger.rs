//! What is held, against the room there is.

use std::collections::HashMap;
use std::sync::Arc;

use super::WorkKey;

/// The container pool, as far as offers need to know it. Nothing that offers hold is taken off.
pub trait Room {
    /// Megabytes that new containers could get at once: free, or of idle containers that may be evicted.
    fn memory(&self) -> u64;
    /// Free slots in containers that run this work now: they take no memory.
    fn busy_slots(&self, key: &WorkKey) -> u32;
    /// Idle containers that have run this work; their memory is part of [`Room::memory`].
    fn idle_containers(&self, key: &WorkKey) -> u32;
}

/// What is held, in the pool's terms.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Megabytes for new containers.
    pub(super) cold: u64,
    /// Slots in containers that have run the work.
    pub(super) warm: HashMap<Arc<WorkKey>, u32>,
}

impl Ledger {
    /// Megabytes that what is held needs. Slots beyond those of busy containers are in idle ones, whose memory nobody
    /// else may have then.
    fn memory(&self, room: &dyn Room) -> u64 {
        let warm = self.warm.iter().map(|(key, slots)| {
            let in_idle = slots.saturating_sub(room.busy_slots(key));
            u64::from(in_idle.div_ceil(key.slots.max(1))) * key.memory
        });
        self.cold + warm.sum::<u64>()
    }

    pub(super) fn take_busy_slot(&mut self, key: &WorkKey, room: &dyn Room) -> bool {
        let taken = self.warm.get(key).copied().unwrap_or(0);
        let free = taken < room.busy_slots(key);
        if free {
            self.warm.insert(Arc::new(key.clone()), taken + 1);
        }
        free
    }

    pub(super) fn take_warm(&mut self, key: &WorkKey, room: &dyn Room) -> bool {
        let taken = self.warm.get(key).copied().unwrap_or(0);
        let idle = room.idle_containers(key).saturating_mul(key.slots.max(1));
        if taken >= room.busy_slots(key).saturating_add(idle) {
            return false;
        }
        self.warm.insert(Arc::new(key.clone()), taken + 1);
        let fits = self.memory(room) <= room.memory();
        if !fits {
            self.warm.insert(Arc::new(key.clone()), taken);
        }
        fits
    }

    pub(super) fn take_memory(&mut self, key: &WorkKey, room: &dyn Room) -> bool {
        let fits = self.memory(room) + key.memory <= room.memory();
        if fits {
            self.cold += key.memory;
        }
        fits
    }
}
