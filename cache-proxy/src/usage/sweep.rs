//! When a server's keys are walked over, and what follows from what is found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use oxwhisk_cache_commands::Owner;
use oxwhisk_cache_tokens::{Account, Budget, Usage, Written};
use oxwhisk_core::cache::CacheTier;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

use super::board::{self, Board};
use super::evict::Cut;
use super::lease::Lease;
use super::link::{Failed, Link};
use super::pace;
use super::shares::{Memory, plan};
use super::walk::{Orders, Walk};
use crate::plane::Plane;

/// Pause after something went wrong.
const RETRY: Duration = Duration::from_millis(500);
/// From looking at those who may have too much to looking at such again, at least.
const BREATH: Duration = Duration::from_millis(250);
/// Of those, how many are looked at at once.
const SUSPECTS: usize = 64;
/// How long a server is at work for one key, before it is known.
const KEY: Duration = Duration::from_micros(3);
/// Keys that are looked at at once, at most; fewer after a walk has failed, since replies may have been too large.
const MOST: usize = 4096;

/// Sweeps a tier's server whenever it is there and no other proxy does.
pub(crate) async fn keep(plane: &Plane, tier: CacheTier) {
    let Some(server) = plane.upstreams.tier(tier) else { return };
    let mut is_there = server.watch();
    let mut sweeper = Sweeper::new(plane, tier);
    loop {
        if is_there.wait_for(|is_there| *is_there).await.is_err() {
            return;
        }
        let ended = match Link::connect(server.background(), plane.bounds.reply_timeout).await {
            Ok(mut link) => sweeper.run(&mut link).await,
            Err(failed) => Err(failed),
        };
        let Err(failed) = ended;
        if !matches!(failed, Failed::LostLease) {
            tracing::warn!(%failed, ?tier, "the keys of a cache's server are not counted");
            sweeper.most = (sweeper.most / 8).max(1);
        }
        sweeper.failed();
        tokio::time::sleep(RETRY).await;
    }
}

enum Never {}

struct Sweeper<'a> {
    plane: &'a Plane,
    tier: CacheTier,
    lease: Lease,
    board: Board,
    /// Makes the names of passes, which no other proxy has.
    id: u64,
    number: u64,
    /// By owner, as found last.
    known: HashMap<Owner, Usage>,
    /// How long the last pass took, and the server was at work for it.
    lasted: Duration,
    busy: Option<Duration>,
    most: usize,
    /// When the last pass ended.
    passed: Option<Instant>,
    /// When those who may have too much were looked at last, and how long that took.
    looked: Option<(Instant, Duration)>,
}

impl<'a> Sweeper<'a> {
    fn new(plane: &'a Plane, tier: CacheTier) -> Self {
        // Without random numbers there are no tokens either.
        let id = OsRng.try_next_u64().unwrap_or_else(|_| u64::from(std::process::id()));
        Self {
            plane,
            tier,
            lease: Lease::new(format!("{id:016x}"), plane.config.sweep.lease),
            board: Board::default(),
            id,
            number: 0,
            known: HashMap::new(),
            lasted: Duration::ZERO,
            busy: None,
            most: MOST,
            passed: None,
            looked: None,
        }
    }

    fn failed(&mut self) {
        self.lease.forget();
        self.board.forget();
        self.passed = None;
        self.plane.counts.passes(self.tier).is_sweeper.store(0, Ordering::Relaxed);
    }

    async fn run(&mut self, link: &mut Link) -> Result<Never, Failed> {
        loop {
            let sweeps = self.lease.hold(link).await?;
            let accounts = self.plane.control.accounts();
            self.board.say_budgets(link, &accounts).await?;
            let counts = self.plane.counts.passes(self.tier);
            counts.is_sweeper.store(u64::from(sweeps), Ordering::Relaxed);
            if !sweeps {
                self.passed = None;
                self.board.read_usage(link, self.tier, &accounts).await?;
                tokio::time::sleep(self.plane.config.sweep.exchange).await;
                continue;
            }
            let memory = self.memory(link).await?;
            if self.is_due(memory) {
                self.pass(link, memory).await?;
            } else if self.may_look() && self.plane.alarm.take(self.tier) {
                self.look(link).await?;
            }
            self.wait().await;
        }
    }

    /// Until there may be something to do.
    async fn wait(&self) {
        let sweep = &self.plane.config.sweep;
        let left = sweep.pause.saturating_sub(self.passed.map_or(sweep.pause, |passed| passed.elapsed()));
        let longest = left.min(sweep.exchange).min(sweep.lease / 3);
        let breath = self
            .looked
            .map_or(Duration::ZERO, |(when, took)| BREATH.max(took).saturating_sub(when.elapsed()));
        let rung = async {
            tokio::time::sleep(breath).await;
            self.plane.alarm.rung(self.tier).await;
        };
        let _ = tokio::time::timeout(longest, rung).await;
    }

    fn is_due(&self, memory: Memory) -> bool {
        let Some(passed) = self.passed else { return true };
        let now = passed.elapsed();
        now >= self.plane.config.sweep.pause
            || (now >= BREATH.max(self.lasted) && memory.is_high(self.all_bytes()))
    }

    fn may_look(&self) -> bool {
        self.looked.is_none_or(|(when, took)| when.elapsed() >= BREATH.max(took))
    }

    fn all_bytes(&self) -> u64 {
        self.known.values().map(|usage| usage.bytes).sum()
    }

    async fn memory(&self, link: &mut Link) -> Result<Memory, Failed> {
        let (used, most) = board::memory(link).await?;
        Ok(Memory { used, limit: self.plane.config.sweep.max_bytes(self.tier).or(most) })
    }

    /// Looks at all keys, and has those lose some that have too much.
    async fn pass(&mut self, link: &mut Link, memory: Memory) -> Result<(), Failed> {
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
    async fn look(&mut self, link: &mut Link) -> Result<HashSet<Owner>, Failed> {
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

    fn written(&self) -> HashMap<Owner, Written> {
        let accounts = self.plane.control.accounts();
        accounts.iter().map(|account| (account.owner(), account.written(self.tier))).collect()
    }

    fn orders(&self) -> Orders {
        let config = &self.plane.config;
        let max_key_expiry = u32::try_from(config.max_key_expiry.as_secs()).unwrap_or(u32::MAX);
        let key_expiry = self.plane.key_expiry.min(max_key_expiry).max(1);
        Orders { key_expiry, max_key_expiry: max_key_expiry.max(1), ..Orders::default() }
    }

    fn name(&self) -> String {
        format!("{:016x}-{}", self.id, self.number)
    }

    fn count(&self, walk: &mut Walk) {
        let (counts, done) = (&self.plane.counts, std::mem::take(&mut walk.done));
        counts.keys_evicted.fetch_add(done.evicted, Ordering::Relaxed);
        counts.keys_given_an_expiry.fetch_add(done.given_an_expiry, Ordering::Relaxed);
        counts.keys_flushed.fetch_add(done.flushed, Ordering::Relaxed);
    }

    fn passed(&mut self, walk: &Walk) {
        let counts = self.plane.counts.passes(self.tier);
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        counts.keys.store(walk.census.keys, Ordering::Relaxed);
        counts.unknown_keys.store(walk.census.unknown, Ordering::Relaxed);
        counts.milliseconds.store(milliseconds(walk.lasted()), Ordering::Relaxed);
        counts.busy_milliseconds.store(milliseconds(walk.busy()), Ordering::Relaxed);
        counts.passes.fetch_add(1, Ordering::Release);
        (self.busy, self.lasted, self.passed) = (Some(walk.busy()), walk.lasted(), Some(Instant::now()));
        self.most = (self.most * 2).min(MOST);
    }
}
