//! The steps of a container's life, each with its bookkeeping. The rest of the pool changes entries only through these.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use super::entry::{ContainerId, Entry, Phase};
use super::group::{Group, GroupId};
use super::key::Shape;
use super::{Effect, Effects, Lease, Pool, Start};
use crate::keep_alive::IdleContainer;

impl<H: Clone, W> Pool<H, W> {
    pub(super) fn entry(&mut self, id: ContainerId) -> Option<&mut Entry<H>> {
        self.entries.get_mut(id.place).filter(|entry| entry.id == id)
    }

    /// Changes an entry and keeps the sums of memory in step with it.
    fn change(&mut self, id: ContainerId, change: impl FnOnce(&mut Entry<H>)) {
        let entry = &mut self.entries[id.place];
        let before = entry.share();
        change(entry);
        let after = entry.share();
        self.memory.idle = self.memory.idle + after.idle - before.idle;
        self.memory.removing = self.memory.removing + after.removing - before.removing;
    }

    /// Orders a container, for the next in a group or as a stem cell. There must be room for it.
    pub(super) fn order(
        &mut self,
        shape: Arc<Shape>,
        group: Option<GroupId>,
        stem_cell: Option<usize>,
        now: Instant,
        effects: &mut Effects<H, W>,
    ) {
        self.memory.used += shape.memory;
        self.serial += 1;
        let mut slots = 1;
        let mut recreated = false;
        if let Some(group) = group.map(|id| self.groups.get_mut(id)) {
            slots = group.key.slots();
            recreated = std::mem::take(&mut group.evicted_for);
            group.members += 1;
            group.arriving += slots as usize;
        }
        let vacant = self.entries.vacant_entry();
        let container = ContainerId { place: vacant.key(), serial: self.serial };
        vacant.insert(Entry {
            id: container,
            phase: Phase::Starting,
            shape: Arc::clone(&shape),
            group,
            handle: None,
            active: 0,
            slots,
            doomed: false,
            suspended: false,
            recreated,
            stem_cell,
            ordered: now,
            idle_since: now,
            due: None,
            startup: std::time::Duration::ZERO,
            rank: 0.0,
        });
        effects.push(Effect::Create { container, shape, prewarm: stem_cell.is_some() });
    }

    /// Where in `free` the container is that is taken next: one in which something runs already, so that idle ones can
    /// be evicted, and offers can count on that; else the most recently used.
    pub(super) fn next_free(&self, group: &Group<W>) -> Option<usize> {
        let last = group.free.len().checked_sub(1)?;
        if group.key.slots() == 1 {
            return Some(last);
        }
        group.free.iter().rposition(|id| self.entries[id.place].active > 0).or(Some(last))
    }

    /// Takes a slot of a warm container that has one.
    pub(super) fn take_warm(&mut self, group: GroupId, start: Start) -> Option<Lease<H>> {
        let next = self.next_free(self.groups.get(group))?;
        let group = self.groups.get_mut(group);
        let id = group.free[next];
        group.frequency += 1;
        let entry = &mut self.entries[id.place];
        let handle = entry.handle.clone()?;
        if entry.active + 1 == entry.slots {
            group.free.remove(next);
        }
        if entry.active == 0 {
            self.memory.idle -= entry.shape.memory;
        }
        entry.active += 1;
        let (suspended, startup) = (entry.suspended, entry.startup);
        Some(Lease { container: id, handle, start, uninitialised: false, suspended, startup })
    }

    /// Gives a started container without code to the first who waits in the group.
    pub(super) fn grant_uninitialised(
        &mut self,
        id: ContainerId,
        group_id: GroupId,
        effects: &mut Effects<H, W>,
    ) {
        let group = self.groups.get_mut(group_id);
        let entry = &mut self.entries[id.place];
        let (Some(handle), Some(waiter)) = (entry.handle.clone(), group.waiters.pop_front()) else { return };
        self.waiting -= 1;
        group.frequency += 1;
        let slots = group.key.slots();
        let recreated = entry.recreated || (entry.phase == Phase::Prewarmed && group.evicted_for);
        let start = match (entry.phase, recreated) {
            (Phase::Prewarmed, false) => Start::Prewarmed,
            (Phase::Prewarmed, true) => Start::RecreatedPrewarm,
            (_, false) => Start::Cold,
            (_, true) => Start::Recreated,
        };
        if entry.phase == Phase::Starting {
            group.arriving -= 1;
        } else {
            group.evicted_for = false;
            group.members += 1;
            group.arriving += slots as usize - 1;
        }
        let startup = entry.startup;
        self.change(id, |entry| {
            entry.group = Some(group_id);
            entry.phase = Phase::Initialising;
            entry.active = 1;
            entry.slots = slots;
        });
        self.detach_stem_cell(id);
        let lease = Lease { container: id, handle, start, uninitialised: true, suspended: false, startup };
        effects.push(Effect::Grant { waiter: waiter.payload, lease });
    }

    /// Nobody is there for a started container without code: it waits for one whom it fits.
    pub(super) fn leave_uninitialised(&mut self, id: ContainerId, now: Instant, effects: &mut Effects<H, W>) {
        self.unbind(id);
        let adopted = match self.entries[id.place].stem_cell {
            None => self.stem_cells.adopt(&self.entries[id.place].shape),
            own @ Some(_) => own,
        };
        self.change(id, |entry| {
            entry.phase = Phase::Prewarmed;
            entry.active = 0;
            entry.stem_cell = adopted;
        });
        self.became_idle(id, 0, now, effects);
    }

    /// An activation gives a container back that it did not get its code into.
    pub(super) fn return_uninitialised(
        &mut self,
        id: ContainerId,
        now: Instant,
        effects: &mut Effects<H, W>,
    ) {
        if self.entries[id.place].doomed {
            self.remove(id, effects);
        } else {
            self.leave_uninitialised(id, now, effects);
        }
    }

    /// An activation gives its slot of a warm container back.
    pub(super) fn return_slot(&mut self, id: ContainerId, now: Instant, effects: &mut Effects<H, W>) {
        self.change(id, |entry| entry.active -= 1);
        let entry = &self.entries[id.place];
        let (active, was_full) = (entry.active, entry.active + 1 == entry.slots);
        if entry.doomed {
            if active == 0 {
                self.remove(id, effects);
            }
            return;
        }
        let mut frequency = 0;
        if let Some(group) = entry.group {
            let group = self.groups.get_mut(group);
            frequency = group.frequency;
            if was_full {
                group.free.push(id);
            }
        }
        if active == 0 {
            self.became_idle(id, frequency, now, effects);
        }
    }

    fn became_idle(&mut self, id: ContainerId, frequency: u64, now: Instant, effects: &mut Effects<H, W>) {
        self.idle_sequence += 1;
        let entry = &mut self.entries[id.place];
        entry.idle_since = now;
        entry.rank = self.policy.rank(&IdleContainer {
            sequence: self.idle_sequence,
            frequency,
            startup: entry.startup,
            memory: entry.shape.memory,
        });
        // An entry of an earlier idle time is still there on a busy container, and is put right when it is due. Only
        // after a suspension it stands for the far end of the idle time.
        let pause = now + self.settings.pause_grace;
        if entry.due.is_none_or(|due| due > pause) {
            self.arm(id, pause, effects);
        }
    }

    /// Puts the container on the heap of deadlines.
    pub(super) fn arm(&mut self, id: ContainerId, due: Instant, effects: &mut Effects<H, W>) {
        self.entries[id.place].due = Some(due);
        let first = self.timers.peek().is_none_or(|Reverse((first, _))| due < *first);
        self.timers.push(Reverse((due, id)));
        if first {
            effects.push(Effect::Rearm);
        }
    }

    /// The container takes nothing more and will be removed when nothing runs in it.
    pub(super) fn doom(&mut self, id: ContainerId) {
        let entry = &mut self.entries[id.place];
        entry.doomed = true;
        if let (Phase::Warm, Some(group)) = (entry.phase, entry.group) {
            self.groups.get_mut(group).free.retain(|other| *other != id);
        }
    }

    /// Ends a container in which nothing runs. Its memory stays taken until it is gone.
    pub(super) fn remove(&mut self, id: ContainerId, effects: &mut Effects<H, W>) {
        self.unbind(id);
        self.detach_stem_cell(id);
        self.change(id, |entry| {
            entry.phase = Phase::Removing;
            entry.active = 0;
        });
        if let Some(handle) = self.entries[id.place].handle.clone() {
            effects.push(Effect::Destroy { container: id, handle });
        }
    }

    /// The container is gone, or never was.
    pub(super) fn forget(&mut self, id: ContainerId) {
        self.unbind(id);
        self.detach_stem_cell(id);
        let entry = self.entries.remove(id.place);
        let share = entry.share();
        self.memory.used -= entry.shape.memory;
        self.memory.idle -= share.idle;
        self.memory.removing -= share.removing;
    }

    /// Takes the container out of its group.
    fn unbind(&mut self, id: ContainerId) {
        let entry = &mut self.entries[id.place];
        let Some(group_id) = entry.group.take() else { return };
        let group = self.groups.get_mut(group_id);
        group.members -= 1;
        match entry.phase {
            Phase::Starting => group.arriving -= entry.slots as usize,
            Phase::Initialising => group.arriving -= entry.slots as usize - 1,
            Phase::Warm => group.free.retain(|other| *other != id),
            Phase::Prewarmed | Phase::Removing => {}
        }
        self.groups.drop_if_unused(group_id);
    }

    fn detach_stem_cell(&mut self, id: ContainerId) {
        if let Some(cell) = self.entries[id.place].stem_cell.take() {
            self.stem_cells.taken(cell);
        }
    }
}
