//! When a server's keys are walked over; what follows from what is found is in [`pass`].

mod pass;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use oxwhisk_cache_commands::Owner;
use oxwhisk_cache_tokens::{Usage, Written};
use oxwhisk_core::cache::CacheTier;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

use crate::plane::Plane;
use crate::usage::board::{self, Board};
use crate::usage::lease::Lease;
use crate::usage::link::{Failed, Link};
use crate::usage::shares::Memory;
use crate::usage::walk::{Orders, Walk};

/// Pause after something went wrong.
const RETRY: Duration = Duration::from_millis(500);
/// From looking at those who may have too much to looking at such again, at least.
const BREATH: Duration = Duration::from_millis(250);
/// Of those, how many are looked at at once.
const SUSPECTS: usize = 64;
/// How long a server is at work for one key, before it is known.
const KEY: Duration = Duration::from_micros(6);
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
