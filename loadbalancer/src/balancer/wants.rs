//! What this controller has told invokers that it wants.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::{WantId, WorkKey};

use super::Effect;

#[derive(Debug)]
struct Wanted {
    id: WantId,
    /// Work of this key that waits.
    waiting: u32,
    /// How much of it each invoker knows of.
    at: BTreeMap<InvokerId, u32>,
}

#[derive(Debug, Default)]
pub(super) struct Wants {
    by_key: HashMap<Arc<WorkKey>, Wanted>,
    keys: BTreeMap<WantId, Arc<WorkKey>>,
    next: u64,
}

impl Wants {
    pub(super) fn is_waiting(&self, key: &WorkKey) -> bool {
        self.by_key.contains_key(key)
    }

    pub(super) fn key(&self, id: WantId) -> Option<&Arc<WorkKey>> {
        self.keys.get(&id)
    }

    /// One more waits.
    pub(super) fn waits(&mut self, key: &Arc<WorkKey>) {
        let (keys, next) = (&mut self.keys, &mut self.next);
        let wanted = self.by_key.entry(Arc::clone(key)).or_insert_with(|| {
            let id = WantId(*next);
            *next += 1;
            keys.insert(id, Arc::clone(key));
            Wanted { id, waiting: 0, at: BTreeMap::new() }
        });
        wanted.waiting += 1;
    }

    /// One less waits, after it was withdrawn everywhere.
    pub(super) fn waits_no_more(&mut self, key: &WorkKey) {
        let Some(wanted) = self.by_key.get_mut(key) else { return };
        wanted.waiting -= 1;
        if wanted.waiting == 0 {
            self.keys.remove(&wanted.id);
            self.by_key.remove(key);
        }
    }

    /// An invoker is to know of one more.
    pub(super) fn register<W>(
        &mut self,
        key: &Arc<WorkKey>,
        invoker: InvokerId,
        effects: &mut Vec<Effect<W>>,
    ) {
        let Some(wanted) = self.by_key.get_mut(key) else { return };
        let count = wanted.at.entry(invoker).or_insert(0);
        *count += 1;
        effects.push(Effect::Want { invoker, want: wanted.id, key: Arc::clone(key), count: *count });
    }

    /// An invoker is to know of one less.
    pub(super) fn withdraw<W>(
        &mut self,
        key: &Arc<WorkKey>,
        invoker: InvokerId,
        effects: &mut Vec<Effect<W>>,
    ) {
        let Some(wanted) = self.by_key.get_mut(key) else { return };
        let Some(count) = wanted.at.get_mut(&invoker) else { return };
        *count -= 1;
        effects.push(Effect::Want { invoker, want: wanted.id, key: Arc::clone(key), count: *count });
        if *count == 0 {
            wanted.at.remove(&invoker);
        }
    }
}
