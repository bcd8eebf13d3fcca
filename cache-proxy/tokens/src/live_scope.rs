//! Scopes that somebody has a token for, or had a while ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_cache_commands::Prefixes;
use oxwhisk_core::cache::CacheTier;
use tokio_util::sync::CancellationToken;

use crate::{Generation, Scope};

/// How many tiers there are.
const TIERS: usize = 2;

/// A scope's prefixes in one tier, for as long as nobody flushes it.
#[derive(Clone, Debug)]
pub struct Current {
    pub prefixes: Prefixes,
    /// Cancelled when it is flushed.
    pub flushed: CancellationToken,
}

/// How often what is known of a scope has changed: whoever has asked the server before that knows less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version(u64);

#[derive(Debug, Default)]
struct Known {
    current: Option<Current>,
    version: Version,
}

impl Known {
    fn replace(&mut self, current: Option<Current>) {
        self.version.0 += 1;
        if let Some(before) = std::mem::replace(&mut self.current, current) {
            before.flushed.cancel();
        }
    }
}

/// All tokens of a scope share it, so that all see it flushed.
#[derive(Debug)]
pub struct LiveScope {
    scope: Scope,
    generation_key: Vec<u8>,
    /// By tier; nothing until somebody has asked the server.
    known: [Mutex<Known>; TIERS],
}

impl LiveScope {
    fn new(scope: Scope) -> Self {
        Self { generation_key: scope.generation_key(), scope, known: Default::default() }
    }

    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// As [`Scope::generation_key`].
    #[must_use]
    pub fn generation_key(&self) -> &[u8] {
        &self.generation_key
    }

    /// What stands before its names now; `None`: its generation is not known yet.
    #[must_use]
    pub fn prefixes(&self, tier: CacheTier) -> Option<Prefixes> {
        self.of(tier).current.as_ref().map(|current| current.prefixes)
    }

    /// The same, with word of the next flush.
    #[must_use]
    pub fn current(&self, tier: CacheTier) -> Option<Current> {
        self.of(tier).current.clone()
    }

    /// For whoever is about to ask the server.
    #[must_use]
    pub fn version(&self, tier: CacheTier) -> Version {
        self.of(tier).version
    }

    /// The generation that it has from now on. If it is another one than before, what it had is out of reach.
    pub fn begin(&self, tier: CacheTier, generation: Generation) {
        self.begin_at(&mut self.of(tier), generation);
    }

    /// The generation that the server has said, which was asked at that version. Somebody may know better by now.
    pub fn learn(&self, tier: CacheTier, generation: Generation, asked: Version) {
        let mut known = self.of(tier);
        if known.version == asked {
            self.begin_at(&mut known, generation);
        }
    }

    /// What is known does not hold any more.
    pub fn forget(&self, tier: CacheTier) {
        self.of(tier).replace(None);
    }

    fn begin_at(&self, known: &mut Known, generation: Generation) {
        let prefixes = Prefixes { keys: self.scope.keys(generation), channels: self.scope.channels() };
        if known.current.as_ref().is_none_or(|current| current.prefixes != prefixes) {
            known.replace(Some(Current { prefixes, flushed: CancellationToken::new() }));
        }
    }

    fn of(&self, tier: CacheTier) -> MutexGuard<'_, Known> {
        let place = match tier {
            CacheTier::Local => 0,
            CacheTier::Global => 1,
        };
        self.known[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scopes of one proxy.
#[derive(Debug, Default)]
pub struct LiveScopes {
    scopes: HashMap<Scope, (Arc<LiveScope>, Instant)>,
    /// By the key of its generation, as other proxies name it.
    by_key: HashMap<Vec<u8>, Scope>,
}

impl LiveScopes {
    /// One that somebody gets a token for at `now`.
    pub fn live(&mut self, scope: Scope, now: Instant) -> Arc<LiveScope> {
        let by_key = &mut self.by_key;
        let (live, used) = self.scopes.entry(scope).or_insert_with_key(|scope| {
            let live = LiveScope::new(scope.clone());
            by_key.insert(live.generation_key.clone(), scope.clone());
            (Arc::new(live), now)
        });
        *used = now;
        Arc::clone(live)
    }

    /// The one whose generation has this key, if anybody here has it.
    #[must_use]
    pub fn by_generation_key(&self, key: &[u8]) -> Option<Arc<LiveScope>> {
        let (live, _) = self.scopes.get(self.by_key.get(key)?)?;
        Some(Arc::clone(live))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<LiveScope>> {
        self.scopes.values().map(|(live, _)| live)
    }

    /// Nothing that is known of a tier's generations holds any more: its server may have lost them.
    pub fn forget_generations(&self, tier: CacheTier) {
        for (live, _) in self.scopes.values() {
            live.forget(tier);
        }
    }

    /// Forgets those that nobody has a token for, nor had since `idle` ago.
    pub fn sweep(&mut self, now: Instant, idle: Duration) {
        let by_key = &mut self.by_key;
        self.scopes.retain(|_, (live, used)| {
            let is_kept = Arc::strong_count(live) > 1 || now.saturating_duration_since(*used) < idle;
            if !is_kept {
                by_key.remove(live.generation_key());
            }
            is_kept
        });
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.scopes.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Share;

    const LOCAL: CacheTier = CacheTier::Local;

    fn scope(action: &str) -> Scope {
        Scope { namespace_uuid: "u".into(), share: Share::Action(action.to_owned()) }
    }

    #[test]
    fn whoever_flushes_a_scope_flushes_it_for_all() {
        let (mut scopes, now) = (LiveScopes::default(), Instant::now());
        let (one, other) = (scopes.live(scope("a"), now), scopes.live(scope("a"), now));
        let untouched = scopes.live(scope("b"), now);
        assert!(one.prefixes(LOCAL).is_none());
        one.begin(LOCAL, Generation(1));
        untouched.begin(LOCAL, Generation(1));
        assert!(other.prefixes(CacheTier::Global).is_none(), "the other tier is another server");
        let before = other.current(LOCAL).unwrap();
        one.begin(LOCAL, Generation(1));
        assert!(!before.flushed.is_cancelled(), "it is the same");
        scopes.by_generation_key(&scope("a").generation_key()).unwrap().begin(LOCAL, Generation(2));
        assert!(before.flushed.is_cancelled());
        let after = one.prefixes(LOCAL).unwrap();
        assert_eq!(after.keys, scope("a").keys(Generation(2)));
        assert_eq!(after.channels, before.prefixes.channels, "channels are not keys");
        assert_eq!(untouched.prefixes(LOCAL).unwrap().keys, scope("b").keys(Generation(1)));
        scopes.forget_generations(LOCAL);
        assert!(one.prefixes(LOCAL).is_none());
    }

    #[test]
    fn whoever_has_asked_before_a_flush_does_not_undo_it() {
        let (mut scopes, now) = (LiveScopes::default(), Instant::now());
        let live = scopes.live(scope("a"), now);
        let asked = live.version(LOCAL);
        live.begin(LOCAL, Generation(2));
        live.learn(LOCAL, Generation(1), asked);
        assert_eq!(live.prefixes(LOCAL).unwrap().keys, scope("a").keys(Generation(2)));
        let asked = live.version(LOCAL);
        scopes.forget_generations(LOCAL);
        live.learn(LOCAL, Generation(1), asked);
        assert!(live.prefixes(LOCAL).is_none());
        live.learn(LOCAL, Generation(3), live.version(LOCAL));
        assert_eq!(live.prefixes(LOCAL).unwrap().keys, scope("a").keys(Generation(3)));
    }

    #[test]
    fn those_that_are_in_use_are_kept() {
        let (mut scopes, now) = (LiveScopes::default(), Instant::now());
        let idle = Duration::from_secs(10);
        let used = scopes.live(scope("used"), now);
        drop(scopes.live(scope("left"), now));
        drop(scopes.live(scope("lately"), now + idle));
        scopes.sweep(now + idle, idle);
        assert_eq!(scopes.len(), 2);
        drop(used);
        scopes.sweep(now + idle, idle);
        assert_eq!(scopes.len(), 1);
        assert!(scopes.by_generation_key(&scope("left").generation_key()).is_none());
        assert!(scopes.by_generation_key(&scope("lately").generation_key()).is_some());
    }
}
