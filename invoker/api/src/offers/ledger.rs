//! What is held, against the room there is.

use std::collections::HashMap;
use std::sync::Arc;

use super::WorkKey;

/// The container pool, as far as offers need to know it. Nothing that offers hold is taken off.
///
/// Whatever takes room takes a slot of a busy container before one of an idle container, and that before memory: on
/// this order the sums of offers rely.
pub trait Room {
    /// Megabytes that new containers could get at once: free, or of idle containers that may be evicted.
    fn memory(&self) -> u64;
    /// Megabytes of containers that are being removed, which nobody waits for. Only good for what was held before that
    /// began: how long it takes is not known.
    fn coming(&self) -> u64 {
        0
    }
    /// Free slots in containers that run this work now: they take no memory.
    fn busy_slots(&self, key: &WorkKey) -> u32;
    /// Idle containers that have run this work; their memory is part of [`Room::memory`].
    fn idle_containers(&self, key: &WorkKey) -> u32;
}

/// The pool need not be asked where a container runs one activation at a time.
fn busy_slots(key: &WorkKey, room: &dyn Room) -> u32 {
    if key.slots <= 1 { 0 } else { room.busy_slots(key) }
}

/// What is held, in the pool's terms; kept up as it changes, since it is looked at for every dispatch.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Megabytes for new containers.
    cold: u64,
    /// Slots in containers that have run the work.
    warm: HashMap<Arc<WorkKey>, u32>,
}

/// Megabytes of the idle containers in which `slots` are, beyond those of busy containers.
fn idle_memory(key: &WorkKey, slots: u32, busy: u32) -> u64 {
    u64::from(slots.saturating_sub(busy).div_ceil(key.slots.max(1))) * key.memory
}

impl Ledger {
    /// Holds a slot of a container that has run the work, or memory for a new one.
    pub(super) fn hold(&mut self, key: &Arc<WorkKey>, warm: bool) {
        if warm {
            *self.warm.entry(Arc::clone(key)).or_insert(0) += 1;
        } else {
            self.cold += key.memory;
        }
    }

    /// What was held so is not held any more.
    pub(super) fn release(&mut self, key: &WorkKey, warm: bool) {
        if !warm {
            self.cold -= key.memory;
        } else if let Some(slots) = self.warm.get_mut(key) {
            *slots -= 1;
            if *slots == 0 {
                self.warm.remove(key);
            }
        }
    }

    /// Megabytes that are left for others.
    pub(super) fn free(&self, room: &dyn Room) -> u64 {
        room.memory().saturating_sub(self.memory(room))
    }

    /// Megabytes that are left for something that was held too, and is not any more.
    pub(super) fn free_for_held(&self, room: &dyn Room) -> u64 {
        (room.memory() + room.coming()).saturating_sub(self.memory(room))
    }

    /// Slots that are held beyond those of busy containers are in idle ones, whose memory nobody else may have then.
    fn memory(&self, room: &dyn Room) -> u64 {
        let warm = self.warm.iter().map(|(key, slots)| idle_memory(key, *slots, busy_slots(key, room)));
        self.cold + warm.sum::<u64>()
    }

    /// Whether a slot is left in a container that runs this work now.
    pub(super) fn has_busy_slot(&self, key: &WorkKey, room: &dyn Room) -> bool {
        let busy = busy_slots(key, room);
        busy > 0 && self.slots_held(key) < busy
    }

    /// Whether a slot is left in a container that has run this work, of which an idle one needs `free` memory.
    pub(super) fn has_slot(&self, key: &WorkKey, room: &dyn Room, free: u64) -> bool {
        let (busy, idle) = (busy_slots(key, room), room.idle_containers(key));
        if busy == 0 && idle == 0 {
            return false;
        }
        let held = self.slots_held(key);
        let more = idle_memory(key, held + 1, busy) - idle_memory(key, held, busy);
        held < busy.saturating_add(idle.saturating_mul(key.slots.max(1))) && more <= free
    }

    fn slots_held(&self, key: &WorkKey) -> u32 {
        // Mostly nothing is held, and then the key need not be hashed.
        if self.warm.is_empty() { 0 } else { self.warm.get(key).copied().unwrap_or(0) }
    }
}
