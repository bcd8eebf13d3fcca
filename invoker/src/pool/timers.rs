//! What happens because time passes: suspending, expiring, giving up.
//!
//! There is one heap of deadlines with one valid entry a container. An entry is not moved when its container is used; it
//! is looked at when due and put back with the deadline that then holds. So a busy container costs the heap one
//! operation each grace period, whatever its rate of activations.

use std::cmp::Reverse;
use std::time::Instant;

use super::entry::{ContainerId, Phase};
use super::{Effect, Effects, Pool, Refusal};

impl<H: Clone, W> Pool<H, W> {
    /// When [`Pool::tick`] is to be called next, if nothing else happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let idle = self.timers.peek().map(|Reverse((due, _))| *due);
        let oldest = self.groups.iter().filter_map(|(_, group)| group.waiters.front()).map(|w| w.since).min();
        let expiry = oldest.map(|since| since + self.settings.wait_limit);
        [idle, expiry, self.stem_cells.next_check()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) -> Effects<H, W> {
        let mut effects = Vec::new();
        self.refuse_expired(now, &mut effects);
        while let Some(Reverse((due, id))) = self.timers.peek().copied() {
            if due > now {
                break;
            }
            self.timers.pop();
            if self.entry(id).is_some_and(|entry| entry.due == Some(due)) {
                self.idle_deadline(id, now, &mut effects);
            }
        }
        self.adjust_stem_cells(now, &mut effects);
        self.pump(now, &mut effects);
        effects
    }

    fn idle_deadline(&mut self, id: ContainerId, now: Instant, effects: &mut Effects<H, W>) {
        let (grace, expiry) = (self.settings.pause_grace, self.expiry_of(id));
        let Some(entry) = self.entry(id) else { return };
        entry.due = None;
        if !entry.is_idle() || entry.doomed {
            return;
        }
        let idle_since = entry.idle_since;
        if expiry.is_some_and(|expiry| now >= expiry) {
            self.remove(id, effects);
            return;
        }
        let suspends = entry.phase == Phase::Warm && !entry.suspended;
        if suspends && now < idle_since + grace {
            self.arm(id, idle_since + grace, effects);
            return;
        }
        if suspends && let Some(handle) = entry.handle.clone() {
            entry.suspended = true;
            effects.push(Effect::Suspend { container: id, handle });
        }
        if let Some(expiry) = expiry {
            self.arm(id, expiry, effects);
        }
    }

    /// Stem cells do not expire here: their number is adjusted at checks. One that is left over from a cold start
    /// expires whatever the policy, since no action has a claim on it.
    fn expiry_of(&mut self, id: ContainerId) -> Option<Instant> {
        let expires_after = self.policy.expires_after();
        let idle_timeout = self.settings.idle_timeout;
        let entry = self.entry(id)?;
        let after = match (entry.phase, entry.stem_cell) {
            (Phase::Prewarmed, Some(_)) => None,
            (Phase::Prewarmed, None) => Some(idle_timeout),
            _ => expires_after,
        };
        after.map(|after| entry.idle_since + after)
    }

    fn refuse_expired(&mut self, now: Instant, effects: &mut Effects<H, W>) {
        let limit = self.settings.wait_limit;
        let mut touched = Vec::new();
        for (id, group) in self.groups.iter_mut() {
            let memory = group.key.memory();
            while let Some(waiter) = group.waiters.pop_front_if(|waiter| now >= waiter.since + limit) {
                self.waiting -= 1;
                let refusal = Refusal::WaitOver { limit };
                effects.push(Effect::Refuse { waiter: waiter.payload, memory, refusal });
                touched.push(id);
            }
        }
        touched.dedup();
        for id in touched {
            self.groups.drop_if_unused(id);
        }
    }

    /// Refuses everybody: the pool is closed.
    pub(super) fn refuse_all(&mut self) -> Effects<H, W> {
        let mut effects = Vec::new();
        let mut touched = Vec::new();
        for (id, group) in self.groups.iter_mut() {
            let memory = group.key.memory();
            for waiter in group.waiters.drain(..) {
                effects.push(Effect::Refuse { waiter: waiter.payload, memory, refusal: Refusal::Closed });
            }
            touched.push(id);
        }
        self.waiting = 0;
        for id in touched {
            self.groups.drop_if_unused(id);
        }
        effects
    }

    fn adjust_stem_cells(&mut self, now: Instant, effects: &mut Effects<H, W>) {
        for (cell, ttl, surplus) in self.stem_cells.check(now) {
            let expired = self.entries.iter().filter(|(_, entry)| {
                entry.stem_cell == Some(cell)
                    && entry.phase == Phase::Prewarmed
                    && now >= entry.idle_since + ttl
            });
            let mut expired: Vec<_> = expired.map(|(_, entry)| (entry.idle_since, entry.id)).collect();
            expired.sort_unstable();
            for (_, id) in expired.into_iter().take(surplus) {
                self.remove(id, effects);
            }
        }
    }
}
