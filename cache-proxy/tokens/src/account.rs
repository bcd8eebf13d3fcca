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
        }
    }
}

/// What a namespace has in one tier, as counted last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
    pub keys: u64,
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

/// Of one namespace.
#[derive(Debug)]
pub struct Account {
    owner: Owner,
    namespace_uuid: Arc<str>,
    budget: Mutex<Budget>,
    connections: AtomicU64,
    commands: AtomicU64,
    /// By tier: bytes, keys, and bytes written since they were counted.
    used: [[AtomicU64; 3]; 2],
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
        let [bytes, keys, written] = self.of(tier);
        Usage {
            bytes: bytes.load(Ordering::Relaxed).saturating_add(written.load(Ordering::Relaxed)),
            keys: keys.load(Ordering::Relaxed),
        }
    }

    /// What somebody has counted.
    pub fn counted(&self, tier: CacheTier, usage: Usage) {
        let [bytes, keys, written] = self.of(tier);
        written.store(0, Ordering::Relaxed);
        bytes.store(usage.bytes, Ordering::Relaxed);
        keys.store(usage.keys, Ordering::Relaxed);
    }

    /// Somebody writes so many bytes; what they take the place of is not known until they are counted again.
    pub fn writes(&self, tier: CacheTier, bytes: u64) {
        self.of(tier)[2].fetch_add(bytes, Ordering::Relaxed);
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

    const fn of(&self, tier: CacheTier) -> &[AtomicU64; 3] {
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
mod tests {
    use super::*;

    const LOCAL: CacheTier = CacheTier::Local;

    #[test]
    fn a_second_holds_so_many_commands_at_whatever_pace_they_come() {
        let now = Instant::now();
        let budget = Budget { operations_per_second: 10, ..Budget::default() };
        let account = Account::new("u", budget, now);
        let at = |milliseconds| now + Duration::from_millis(milliseconds);
        assert_eq!(account.admit(11, &budget, now), Err(OverQuota::Operations(10)));
        for _ in 0..10 {
            account.admit(1, &budget, now).unwrap();
        }
        assert!(account.admit(1, &budget, now).is_err());
        assert!(account.admit(1, &budget, at(99)).is_err());
        account.admit(1, &budget, at(100)).unwrap();
        assert!(account.admit(2, &budget, at(200)).is_err());
        account.admit(10, &budget, at(5000)).unwrap();
        assert!(account.admit(1, &budget, at(5000)).is_err());
        let none = Budget { operations_per_second: 0, ..budget };
        assert!(account.admit(1, &none, at(60_000)).is_err());
        account.admit(1 << 40, &Budget::default(), at(60_000)).unwrap();
    }

    #[test]
    fn connections_are_counted_while_they_last() {
        let now = Instant::now();
        let mut accounts = Accounts::default();
        let account = accounts.account("u", Budget { connections: 1, ..Budget::default() }, now);
        let one = account.connect().unwrap();
        assert_eq!(account.connect().unwrap_err(), OverQuota::Connections(1));
        drop(one);
        let again = account.connect().unwrap();
        assert_eq!(account.connections(), 1);
        // A newer token allows more.
        accounts.account("u", Budget { connections: 2, ..Budget::default() }, now);
        assert!(account.connect().is_ok());
        drop(again);
        assert_eq!(account.connections(), 0);
    }

    #[test]
    fn what_is_over_is_told() {
        let budget = Budget { bytes: 100, keys: 2, ..Budget::default() };
        let account = Account::new("u", budget, Instant::now());
        account.counted(LOCAL, Usage { bytes: 90, keys: 2 });
        assert_eq!(account.is_over(LOCAL), None);
        account.writes(LOCAL, 11);
        assert_eq!(account.is_over(LOCAL), Some(OverQuota::Bytes(100)));
        assert_eq!(account.is_over(CacheTier::Global), None);
        account.counted(LOCAL, Usage { bytes: 50, keys: 3 });
        assert_eq!(account.is_over(LOCAL), Some(OverQuota::Keys(2)));
    }

    #[test]
    fn accounts_of_those_who_have_something_are_kept() {
        let (mut accounts, now) = (Accounts::default(), Instant::now());
        let idle = Duration::from_secs(1);
        let held = accounts.account("held", Budget::default(), now);
        accounts.account("has keys", Budget::default(), now).counted(LOCAL, Usage { bytes: 1, keys: 1 });
        accounts.account("left", Budget::default(), now);
        accounts.sweep(now + idle, idle);
        let mut left: Vec<_> = accounts.all().map(|account| account.namespace_uuid().to_string()).collect();
        left.sort();
        assert_eq!(left, ["has keys", "held"]);
        drop(held);
    }
}
