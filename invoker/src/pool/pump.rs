//! Who of those that wait is served next.
//!
//! Namespaces are compared by the memory that works for them: the one with least comes first, so a flood of one
//! namespace does not keep the others out, and two that flood share what there is. Within a namespace the oldest comes
//! first. Who cannot be served yet is passed over: one large request does not block the small ones behind it.
//!
//! So that it does not wait for ever either, a request that was passed over and has waited longer than the patience
//! gets the *turn*: until it is served nobody else is, and idle containers and freed memory come to it. At most one
//! request has the turn, and after one there is none for the length of the patience, so that warm containers are not
//! given up for nothing when everybody waits long.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use oxwhisk_core::name::EntityName;

use super::entry::{ContainerId, Phase};
use super::group::{Group, GroupId};
use super::key::Shape;
use super::{Effect, Effects, Pool, Start};

/// Whose turn it is, if anybody's.
#[derive(Debug, Default)]
pub(super) struct Turn {
    holder: Option<GroupId>,
    not_before: Option<Instant>,
}

#[cfg(test)]
impl Turn {
    pub(super) fn is_held(&self) -> bool {
        self.holder.is_some()
    }
}

/// What is still to be given in one round. Memory that is promised to one is not promised to the next.
struct Round {
    free: u64,
    /// Of containers that are being removed.
    coming: u64,
    /// Promises of memory that is still coming, by group.
    promised: HashMap<GroupId, usize>,
    /// Megabytes that work for each namespace.
    loads: HashMap<EntityName, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// It got a container, or one was ordered.
    Now,
    /// It gets the memory that others are giving up.
    Promised,
    No,
}

impl<H: Clone, W> Pool<H, W> {
    /// Serves everybody who can be served, then uses what is left for stem cells.
    pub(super) fn pump(&mut self, now: Instant, effects: &mut Effects<H, W>) {
        if self.waiting > 0 {
            self.choose_turn(now);
            let mut round = self.new_round();
            while self.serve_next(&mut round, now, effects) {}
            self.choose_turn(now);
        }
        self.backfill(now, effects);
    }

    fn choose_turn(&mut self, now: Instant) {
        if let Some(holder) = self.turn.holder {
            let waits = self.groups.iter().any(|(id, group)| id == holder && group.uncovered() > 0);
            if !waits {
                self.end_turn(now);
            }
        }
        if self.turn.holder.is_some() || self.turn.not_before.is_some_and(|start| now < start) {
            return;
        }
        let patience = self.settings.patience;
        let overdue = self.groups.iter().filter_map(|(id, group)| {
            let waiter = group.waiters.get(group.arriving)?;
            (waiter.overtaken && now.saturating_duration_since(waiter.since) >= patience)
                .then_some((waiter.since, id))
        });
        self.turn.holder = overdue.min().map(|(_, id)| id);
    }

    fn end_turn(&mut self, now: Instant) {
        self.turn = Turn { holder: None, not_before: Some(now + self.settings.patience) };
    }

    fn new_round(&self) -> Round {
        let mut loads = HashMap::new();
        for (_, entry) in self.entries.iter().filter(|(_, entry)| entry.is_working()) {
            if let Some(group) = entry.group {
                let namespace = self.groups.get(group).key.namespace.clone();
                *loads.entry(namespace).or_insert(0) += entry.shape.memory;
            }
        }
        Round {
            free: self.memory.total - self.memory.used,
            coming: self.memory.removing,
            promised: HashMap::new(),
            loads,
        }
    }

    /// Serves the first of those in order who can be served; `false` if nobody can.
    fn serve_next(&mut self, round: &mut Round, now: Instant, effects: &mut Effects<H, W>) -> bool {
        let mut passed_over = Vec::new();
        for group in self.candidates(round) {
            match self.serve(group, round, now, effects) {
                Served::No => passed_over.push(group),
                served => {
                    self.note_served(group, served, &passed_over, now);
                    return true;
                }
            }
        }
        false
    }

    fn note_served(&mut self, group: GroupId, served: Served, passed_over: &[GroupId], now: Instant) {
        for id in passed_over {
            let loser = self.groups.get_mut(*id);
            if let Some(waiter) = loser.waiters.get_mut(loser.arriving) {
                waiter.overtaken = true;
            }
        }
        if served == Served::Now && self.turn.holder == Some(group) {
            self.end_turn(now);
        }
    }

    /// Groups in which somebody could be served, best first.
    fn candidates(&self, round: &Round) -> Vec<GroupId> {
        let needy = |id: GroupId, group: &Group<W>| {
            let promised = round.promised.get(&id).copied().unwrap_or(0);
            group.uncovered() > promised || !(group.waiters.is_empty() || group.free.is_empty())
        };
        let turn = |id: GroupId| self.turn.holder.is_none_or(|holder| holder == id);
        let mut order: Vec<_> = self
            .groups
            .iter()
            .filter(|(id, group)| turn(*id) && needy(*id, group))
            .map(|(id, group)| (self.precedence(group, round), id))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Lowest first: what costs nothing, the namespace with least, what is warm already, the oldest.
    fn precedence(&self, group: &Group<W>, round: &Round) -> (bool, u64, bool, Option<Instant>) {
        let warm = self.next_free(group).map(|next| group.free[next]);
        let costs = warm.is_none_or(|id| self.entries[id.place].active == 0);
        let load = round.loads.get(&group.key.namespace).copied().unwrap_or(0);
        (costs, load, warm.is_none(), group.waiters.front().map(|waiter| waiter.since))
    }

    fn serve(
        &mut self,
        group_id: GroupId,
        round: &mut Round,
        now: Instant,
        effects: &mut Effects<H, W>,
    ) -> Served {
        let group = self.groups.get(group_id);
        let (memory, namespace) = (group.key.memory(), group.key.namespace.clone());
        let costs = self.precedence(group, round).0;
        if self.grant_warm(group_id, effects) || self.grant_prewarmed(group_id, effects) {
            *round.loads.entry(namespace).or_insert(0) += if costs { memory } else { 0 };
            return Served::Now;
        }
        if memory > round.free + round.coming && !self.evict_for(group_id, memory, round, effects) {
            return Served::No;
        }
        *round.loads.entry(namespace).or_insert(0) += memory;
        if memory <= round.free {
            round.free -= memory;
            let shape = Arc::new(Shape::of(&self.groups.get(group_id).key));
            self.stem_cells.cold_start(&shape);
            self.order(shape, Some(group_id), None, now, effects);
            return Served::Now;
        }
        round.coming -= memory - round.free;
        round.free = 0;
        *round.promised.entry(group_id).or_insert(0) += 1;
        Served::Promised
    }

    fn grant_warm(&mut self, group_id: GroupId, effects: &mut Effects<H, W>) -> bool {
        let Some(lease) = self.take_warm(group_id, Start::Warmed) else { return false };
        let Some(waiter) = self.groups.get_mut(group_id).waiters.pop_front() else {
            unreachable!("only groups in which somebody waits are served");
        };
        self.waiting -= 1;
        effects.push(Effect::Grant { waiter: waiter.payload, lease });
        true
    }

    /// Of those that fit, the one that idles longest: it would expire first.
    fn grant_prewarmed(&mut self, group_id: GroupId, effects: &mut Effects<H, W>) -> bool {
        let key = &self.groups.get(group_id).key;
        let fitting = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.phase == Phase::Prewarmed && !entry.doomed && entry.shape.fits(key));
        match fitting.min_by_key(|(_, entry)| (entry.idle_since, entry.id.serial)).map(|(_, entry)| entry.id)
        {
            None => false,
            Some(id) => {
                self.grant_uninitialised(id, group_id, effects);
                true
            }
        }
    }

    /// Evicts idle containers, if that gives enough memory: other actions' first, stem cells last.
    fn evict_for(
        &mut self,
        group: GroupId,
        memory: u64,
        round: &mut Round,
        effects: &mut Effects<H, W>,
    ) -> bool {
        if memory > round.free + round.coming + self.memory.idle {
            return false;
        }
        for id in self.idle_by_rank() {
            if memory <= round.free + round.coming {
                break;
            }
            let entry = &self.entries[id.place];
            round.coming += entry.shape.memory;
            self.policy.evicted(entry.rank);
            self.remove(id, effects);
        }
        self.groups.get_mut(group).evicted_for = true;
        true
    }

    fn idle_by_rank(&self) -> Vec<ContainerId> {
        let idle = self.entries.iter().filter(|(_, entry)| entry.is_idle());
        let mut order: Vec<_> =
            idle.map(|(_, entry)| (entry.stem_cell.is_some(), entry.rank, entry.id)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        order.into_iter().map(|(_, _, id)| id).collect()
    }

    /// Starts stem cells that are missing, with memory that nobody waits for.
    pub(super) fn backfill(&mut self, now: Instant, effects: &mut Effects<H, W>) {
        if self.closed
            || self.stem_cells.is_empty()
            || self.groups.iter().any(|(_, group)| group.uncovered() > 0)
        {
            return;
        }
        while let Some((cell, shape)) = self.stem_cells.next_missing(self.memory.total - self.memory.used) {
            self.order(shape, None, Some(cell), now, effects);
        }
    }
}
