//! What a namespace uses up, for all of its activations together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_cache_commands::Owner;
use oxwhisk_core::cache::{CacheBudget, CacheTier};

use crate::scope::owner_of;

/// What it may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the server's memory, in each tier.
    pub bytes: u64,
    /// In each tier.
    pub keys: u64,
    /// Bytes of one value.
    pub value_bytes: u64,
    /// Commands a second, as many of which may come at once.
    pub operations_per_second: u64,
    pub connections: u64,
    /// Of a namespace that has more than it may, writes are refused; else it loses its own oldest keys.
    pub refuse_when_full: bool,
}

impl Default for Budget {
    /// No limits but what Redis itself has.
    fn default() -> Self {
        Self {
            bytes: u64::MAX,
            keys: u64::MAX,
            value_bytes: 512 << 20,
            operations_per_second: u64::MAX,
            connections: u64::MAX,
            refuse_when_full: false,
        }
    }
}

impl Budget {
    /// What the namespace has of its own goes before what all have.
    #[must_use]
    pub fn with(self, own: &CacheBudget) -> Self {
        Self {
            bytes: own.bytes.unwrap_or(self.bytes),
            keys: own.keys.unwrap_or(self.keys),
            value_bytes: own.value_bytes.unwrap_or(self.value_bytes),
            operations_per_second: own.operations_per_second.unwrap_or(self.operations_per_second),
            connections: own.connections.unwrap_or(self.connections),
            refuse_when_full: own.refuse_when_full.unwrap_or(self.refuse_when_full),
        }
    }
}

/// What a namespace has in one tier, as counted last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
    pub keys: u64,
}

/// What a namespace has written in one tier. What of it is still there is not known until it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    pub commands: u64,
}

/// What is over. Its text is what the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    #[error("ERR quota exceeded: {0} commands a second")]
    Operations(u64),
    #[error("ERR quota exceeded: {0} connections")]
    Connections(u64),
    #[error("ERR quota exceeded: a value of {found} bytes, and {most} are allowed")]
    Value { found: u64, most: u64 },
    #[error("OOM command not allowed: the namespace's quota of {0} bytes in the cache is used up")]
    Bytes(u64),
    #[error("OOM command not allowed: the namespace's quota of {0} keys in the cache is used up")]
    Keys(u64),
}

/// In one tier: what was counted, and what was written that the count does not have.
#[derive(Debug, Default)]
struct Used {
    bytes: AtomicU64,
    keys: AtomicU64,
    written: AtomicU64,
    commands: AtomicU64,
}

/// Of one namespace.
#[derive(Debug)]
pub struct Account {
    owner: Owner,
    namespace_uuid: Arc<str>,
    budget: Mutex<Budget>,
    connections: AtomicU64,
    commands: AtomicU64,
    used: [Used; 2],
    began: Instant,
    /// Nanoseconds after `began` at which what was let through so far would have come at the allowed pace.
    paced_until: AtomicU64,
}

impl Account {
    fn new(namespace_uuid: &str, budget: Budget, now: Instant) -> Self {
        Self {
            owner: owner_of(namespace_uuid),
            namespace_uuid: namespace_uuid.into(),
            budget: Mutex::new(budget),
            connections: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            used: Default::default(),
            began: now,
            paced_until: AtomicU64::new(0),
        }
    }

    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    #[must_use]
    pub const fn namespace_uuid(&self) -> &Arc<str> {
        &self.namespace_uuid
    }

    #[must_use]
    pub fn budget(&self) -> Budget {
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the newest token says.
    fn set_budget(&self, budget: Budget) {
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = budget;
    }

    /// Lets `count` commands through that come at `now`, or none of them.
    ///
    /// # Errors
    /// [`OverQuota::Operations`].
    pub fn admit(&self, count: u64, budget: &Budget, now: Instant) -> Result<(), OverQuota> {
        self.commands.fetch_add(count, Ordering::Relaxed);
        let rate = budget.operations_per_second;
        if rate == u64::MAX {
            return Ok(());
        }
        const SECOND: u64 = 1_000_000_000;
        let cost = count.saturating_mul(SECOND) / rate.max(1);
        let now = nanoseconds(now.saturating_duration_since(self.began));
        let admitted = self.paced_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| {
            let next = until.max(now).saturating_add(cost);
            // As much as a second allows may come at once, and no more than that.
            (rate > 0 && next <= now.saturating_add(SECOND)).then_some(next)
        });
        admitted.map(drop).map_err(|_| OverQuota::Operations(rate))
    }

    /// # Errors
    /// [`OverQuota::Connections`].
    pub fn connect(self: &Arc<Self>) -> Result<Connected, OverQuota> {
        let most = self.budget().connections;
        let before = self.connections.fetch_add(1, Ordering::AcqRel);
        let connected = Connected(Arc::clone(self));
        if before < most { Ok(connected) } else { Err(OverQuota::Connections(most)) }
    }

    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Commands so far.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// What was counted last, with what was written since.
    #[must_use]
    pub fn usage(&self, tier: CacheTier) -> Usage {
        let used = self.of(tier);
        Usage {
            bytes: used.bytes.load(Ordering::Relaxed).saturating_add(used.written.load(Ordering::Relaxed)),
            keys: used.keys.load(Ordering::Relaxed),
        }
    }

    /// What is not counted yet. Asked before somebody begins to count, for [`Account::counted_after`].
    #[must_use]
    pub fn written(&self, tier: CacheTier) -> Written {
        let used = self.of(tier);
        Written {
            bytes: used.written.load(Ordering::Relaxed),
            commands: used.commands.load(Ordering::Relaxed),
        }
    }

    /// What somebody has counted, all that was written included.
    pub fn counted(&self, tier: CacheTier, usage: Usage) {
        self.counted_after(tier, usage, self.written(tier));
    }

    /// What somebody has counted who began when so much was written: that is in the count. What was written since may be, or
    /// not, and is added until the next count.
    pub fn counted_after(&self, tier: CacheTier, usage: Usage, before: Written) {
        let used = self.of(tier);
        used.bytes.store(usage.bytes, Ordering::Relaxed);
        used.keys.store(usage.keys, Ordering::Relaxed);
        let take = |from: &AtomicU64, taken: u64| {
            // It is always done.
            let _ = from
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(taken)));
        };
        take(&used.written, before.bytes);
        take(&used.commands, before.commands);
    }

    /// Somebody writes so many bytes with one command; what they take the place of is not known until they are counted again.
    pub fn writes(&self, tier: CacheTier, bytes: u64) {
        let used = self.of(tier);
        used.written.fetch_add(bytes, Ordering::Relaxed);
        used.commands.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it has more than it may, and of what.
    #[must_use]
    pub fn is_over(&self, tier: CacheTier) -> Option<OverQuota> {
        let (usage, budget) = (self.usage(tier), self.budget());
        if usage.bytes > budget.bytes {
            return Some(OverQuota::Bytes(budget.bytes));
        }
        (usage.keys > budget.keys).then_some(OverQuota::Keys(budget.keys))
    }

    /// Whether it should be counted now: it has more than it may if all that was written is new, and each command made a key.
    #[must_use]
    pub fn may_be_over(&self, tier: CacheTier, budget: &Budget) -> bool {
        let (usage, written) = (self.usage(tier), self.written(tier));
        usage.bytes > budget.bytes || usage.keys.saturating_add(written.commands) > budget.keys
    }

    const fn of(&self, tier: CacheTier) -> &Used {
        match tier {
            CacheTier::Local => &self.used[0],
            CacheTier::Global => &self.used[1],
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One connection, for as long as it is held.
#[derive(Debug)]
pub struct Connected(Arc<Account>);

impl Connected {
    #[must_use]
    pub const fn account(&self) -> &Arc<Account> {
        &self.0
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Those of one proxy.
#[derive(Debug, Default)]
pub struct Accounts(HashMap<Arc<str>, (Arc<Account>, Instant)>);

impl Accounts {
    /// That of a namespace, which may use so much from now on.
    pub fn account(&mut self, namespace_uuid: &str, budget: Budget, now: Instant) -> Arc<Account> {
        if let Some((account, used)) = self.0.get_mut(namespace_uuid) {
            *used = now;
            account.set_budget(budget);
            return Arc::clone(account);
        }
        let account = Arc::new(Account::new(namespace_uuid, budget, now));
        self.0.insert(Arc::clone(account.namespace_uuid()), (Arc::clone(&account), now));
        account
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.values().map(|(account, _)| account)
    }

    /// Forgets those of namespaces that have nothing here, nor used it since `idle` ago.
    pub fn sweep(&mut self, now: Instant, idle: Duration) {
        self.0.retain(|_, (account, used)| {
            let tiers = [CacheTier::Local, CacheTier::Global];
            Arc::strong_count(account) > 1
                || now.saturating_duration_since(*used) < idle
                || tiers.iter().any(|tier| account.usage(*tier) != Usage::default())
        });
    }
}

#[cfg(test)]
mod tests;
