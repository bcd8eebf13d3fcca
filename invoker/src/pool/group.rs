//! What belongs together: the containers of one action in one namespace, and the activations that wait for one.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use slab::Slab;

use super::entry::ContainerId;
use super::key::{ActionKey, Names};

/// Place of a group; valid while the group has a member or somebody waits in it.
pub(crate) type GroupId = usize;

#[derive(Debug)]
pub(super) struct Waiter<W> {
    pub(super) payload: W,
    pub(super) since: Instant,
    /// Others of another group were served after it came.
    pub(super) overtaken: bool,
}

#[derive(Debug)]
pub(super) struct Group<W> {
    pub(super) key: ActionKey,
    /// Warm containers with a free slot, the most recently used last.
    pub(super) free: Vec<ContainerId>,
    /// Containers that were started for it or hold its code, until they are gone.
    pub(super) members: usize,
    /// Oldest first.
    pub(super) waiters: VecDeque<Waiter<W>>,
    /// Slots of containers that are being started or initialised for it.
    pub(super) arriving: usize,
    /// Activations it had here.
    pub(super) frequency: u64,
    /// Something was evicted for its next container.
    pub(super) evicted_for: bool,
}

impl<W> Group<W> {
    /// Waiting activations that no container on its way will take.
    pub(super) fn uncovered(&self) -> usize {
        self.waiters.len().saturating_sub(self.arriving)
    }
}

#[derive(Debug)]
pub(super) struct Groups<W> {
    by_key: HashMap<ActionKey, GroupId>,
    list: Slab<Group<W>>,
}

impl<W> Groups<W> {
    pub(super) fn new() -> Self {
        Self { by_key: HashMap::new(), list: Slab::new() }
    }

    pub(super) fn find(&self, key: &ActionKey) -> Option<GroupId> {
        self.by_key.get(key).copied()
    }

    /// As [`Groups::find`], by anything that names an action's key.
    pub(super) fn find_named(&self, key: &dyn Names) -> Option<GroupId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn find_or_add(&mut self, key: &ActionKey) -> GroupId {
        if let Some(id) = self.find(key) {
            return id;
        }
        let id = self.list.insert(Group {
            key: key.clone(),
            free: Vec::new(),
            members: 0,
            waiters: VecDeque::new(),
            arriving: 0,
            frequency: 0,
            evicted_for: false,
        });
        self.by_key.insert(key.clone(), id);
        id
    }

    pub(super) fn get(&self, id: GroupId) -> &Group<W> {
        &self.list[id]
    }

    pub(super) fn get_mut(&mut self, id: GroupId) -> &mut Group<W> {
        &mut self.list[id]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupId, &Group<W>)> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (GroupId, &mut Group<W>)> {
        self.list.iter_mut()
    }

    /// Forgets the group if nothing refers to it any more.
    pub(super) fn drop_if_unused(&mut self, id: GroupId) {
        let group = &self.list[id];
        if group.members == 0 && group.waiters.is_empty() {
            let group = self.list.remove(id);
            self.by_key.remove(&group.key);
        }
    }
}
