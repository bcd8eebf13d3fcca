//! Activations of actions whose containers run several at once: how many there are of each at each invoker.
//!
//! OpenWhisk's `NestedSemaphore`: the first of a container's activations takes its memory, the last one returns it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::WorkKey;

#[derive(Debug, Default)]
pub(super) struct SharedSlots {
    running: HashMap<Arc<WorkKey>, BTreeMap<InvokerId, u32>>,
}

impl SharedSlots {
    /// One more runs there. Answers how many megabytes that takes.
    pub(super) fn begin(&mut self, key: &Arc<WorkKey>, invoker: InvokerId) -> u64 {
        if key.slots <= 1 {
            return key.memory;
        }
        let running = self.running.entry(Arc::clone(key)).or_default().entry(invoker).or_insert(0);
        let takes_container = running.is_multiple_of(key.slots);
        *running += 1;
        if takes_container { key.memory } else { 0 }
    }

    /// One less runs there. Answers how many megabytes that returns.
    pub(super) fn end(&mut self, key: &Arc<WorkKey>, invoker: InvokerId) -> u64 {
        if key.slots <= 1 {
            return key.memory;
        }
        let Some(invokers) = self.running.get_mut(key) else { return 0 };
        let Some(running) = invokers.get_mut(&invoker) else { return 0 };
        *running -= 1;
        let leaves_container = running.is_multiple_of(key.slots);
        if *running == 0 {
            invokers.remove(&invoker);
        }
        if invokers.is_empty() {
            self.running.remove(key);
        }
        if leaves_container { key.memory } else { 0 }
    }

    /// What ran there is gone.
    pub(super) fn forget(&mut self, invoker: InvokerId) {
        self.running.retain(|_, invokers| {
            invokers.remove(&invoker);
            !invokers.is_empty()
        });
    }

    /// Invokers that seem to have a container of this work with a free slot.
    pub(super) fn open(&self, key: &WorkKey) -> Vec<InvokerId> {
        if key.slots <= 1 {
            return Vec::new();
        }
        let invokers = self.running.get(key).into_iter().flatten();
        invokers.filter(|(_, running)| !running.is_multiple_of(key.slots)).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::key;
    use super::*;

    #[test]
    fn a_container_is_paid_for_once_and_returned_once() {
        let (mut slots, invoker) = (SharedSlots::default(), InvokerId(1));
        let key = key("guest", "a", 256, 3);
        let taken: Vec<u64> = (0..7).map(|_| slots.begin(&key, invoker)).collect();
        assert_eq!(taken, [256, 0, 0, 256, 0, 0, 256]);
        assert_eq!(slots.open(&key), [invoker]);
        let returned: Vec<u64> = (0..7).map(|_| slots.end(&key, invoker)).collect();
        assert_eq!(returned.iter().sum::<u64>(), 3 * 256);
        assert!(slots.running.is_empty());
        assert_eq!(slots.end(&key, invoker), 0);
    }
}
