//! What follows from what is found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use oxwhisk_cache_commands::Owner;
use oxwhisk_cache_tokens::{Account, Budget, Usage, Written};

use super::{KEY, SUSPECTS, Sweeper};
use crate::usage::board;
use crate::usage::evict::Cut;
use crate::usage::link::{Failed, Link};
use crate::usage::pace;
use crate::usage::shares::{Memory, plan};
use crate::usage::walk::{Orders, Walk};

impl Sweeper<'_> {
    /// Looks at all keys, and has those lose some that have too much.
    pub(super) async fn pass(&mut self, link: &mut Link, memory: Memory) -> Result<(), Failed> {
        let sweep = &self.plane.config.sweep;
        let orders = Orders { flushed: board::all_flushed(link).await?, ..self.orders() };
        let (flushed, before) = (orders.flushed.clone(), self.written());
        let percent = if memory.is_high(self.all_bytes()) {
            sweep.percent_at_most
        } else {
            let busy = match self.busy {
                Some(busy) => busy,
                None => KEY * u32::try_from(board::keys(link).await?).unwrap_or(u32::MAX),
            };
            pace::percent(sweep.percent, sweep.percent_at_most, busy, sweep.pass)
        };
        let mut walk = Walk::new(orders, percent, self.most);
        // Who was looked at meanwhile is known better than by this.
        let mut fresh = HashSet::new();
        loop {
            let goes_on = walk.step(link).await;
            self.count(&mut walk);
            if !goes_on? {
                break;
            }
            self.renew(link).await?;
            if self.may_look() && self.plane.alarm.take(self.tier) {
                fresh.extend(self.look(link).await?);
            }
        }
        let mut found = std::mem::take(&mut walk.census.owners);
        // Who has nothing left is told so, too.
        for (owner, usage) in &self.known {
            if fresh.contains(owner) || (usage.keys > 0 && !found.contains_key(owner)) {
                found.insert(*owner, if fresh.contains(owner) { *usage } else { Usage::default() });
            }
        }
        self.known.clear();
        self.found(link, &found, &before, &fresh).await?;
        board::forget_flushed(link, flushed.difference(&walk.had_keys)).await?;
        board::say_swept(link, &self.name()).await?;
        self.passed(&walk);
        let (after, all) = (self.memory(link).await?, self.known.keys().copied().collect());
        // What is high for a moment, since a client sends much at once, is not full.
        let used = memory.used.zip(after.used).map(|(before, after)| before.min(after));
        self.enforce(link, all, Memory { used, ..after }).await
    }

    /// Looks at the keys of those who may have too much. Says whom it has looked at.
    pub(super) async fn look(&mut self, link: &mut Link) -> Result<HashSet<Owner>, Failed> {
        let began = Instant::now();
        let accounts = self.plane.control.accounts();
        let suspects: HashSet<Owner> = accounts
            .iter()
            .filter(|account| account.may_be_over(self.tier, &account.budget()))
            .map(|account| account.owner())
            .take(SUSPECTS)
            .collect();
        if !suspects.is_empty() {
            self.walk_over(link, suspects.clone(), HashMap::new()).await?;
            self.enforce(link, suspects.clone(), Memory::default()).await?;
        }
        self.looked = Some((Instant::now(), began.elapsed()));
        Ok(suspects)
    }

    /// Has those lose keys that have too much, of these.
    async fn enforce(&mut self, link: &mut Link, of: HashSet<Owner>, memory: Memory) -> Result<(), Failed> {
        let found: HashMap<Owner, Usage> =
            of.iter().filter_map(|owner| Some((*owner, *self.known.get(owner)?))).collect();
        let budgets = self.budgets(link, &found).await?;
        let default = self.plane.config.budget;
        let cuts = plan(&found, |owner| budgets.get(&owner).copied().unwrap_or(default), memory);
        if cuts.is_empty() {
            return Ok(());
        }
        tracing::info!(namespaces = cuts.len(), tier = ?self.tier, "namespaces lose the oldest of their keys in the cache");
        self.walk_over(link, cuts.keys().copied().collect(), cuts).await
    }

    async fn walk_over(
        &mut self,
        link: &mut Link,
        only: HashSet<Owner>,
        cuts: HashMap<Owner, Cut>,
    ) -> Result<(), Failed> {
        let before = self.written();
        let orders = Orders { only: Some(only.clone()), cuts, ..self.orders() };
        let mut walk = Walk::new(orders, self.plane.config.sweep.percent_at_most, self.most);
        loop {
            let goes_on = walk.step(link).await;
            self.count(&mut walk);
            if !goes_on? {
                break;
            }
            self.renew(link).await?;
        }
        let mut found = std::mem::take(&mut walk.census.owners);
        for owner in only {
            found.entry(owner).or_default();
        }
        self.found(link, &found, &before, &HashSet::new()).await
    }

    /// Holds accounts to what was found, and tells other proxies.
    async fn found(
        &mut self,
        link: &mut Link,
        found: &HashMap<Owner, Usage>,
        before: &HashMap<Owner, Written>,
        but: &HashSet<Owner>,
    ) -> Result<(), Failed> {
        for account in self.plane.control.accounts() {
            let owner = account.owner();
            if !but.contains(&owner)
                && let Some(usage) = found.get(&owner)
            {
                let before = before.get(&owner).copied().unwrap_or_default();
                account.counted_after(self.tier, *usage, before);
            }
        }
        self.number += 1;
        board::say_usage(link, &self.name(), found.iter()).await?;
        self.known.extend(found);
        self.known.retain(|_, usage| usage.keys > 0);
        Ok(())
    }

    async fn budgets(
        &self,
        link: &mut Link,
        found: &HashMap<Owner, Usage>,
    ) -> Result<HashMap<Owner, Budget>, Failed> {
        let mut own: HashMap<Owner, Budget> = self
            .plane
            .control
            .accounts()
            .iter()
            .map(|account: &Arc<Account>| (account.owner(), account.budget()))
            .collect();
        let others: Vec<Owner> = found.keys().filter(|owner| !own.contains_key(owner)).copied().collect();
        own.extend(board::budgets(link, &others, self.plane.config.budget).await?);
        Ok(own)
    }

    /// Another proxy may have taken over, if this one was held up.
    async fn renew(&mut self, link: &mut Link) -> Result<(), Failed> {
        if self.lease.is_held() { self.lease.keep(link).await } else { Ok(()) }
    }
}
