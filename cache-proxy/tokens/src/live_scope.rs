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

/// All tokens of a scope share it, so that all see it flushed.
#[derive(Debug)]
pub struct LiveScope {
    scope: Scope,
    /// By tier; none until somebody has asked the server.
    current: [Mutex<Option<Current>>; TIERS],
}

impl LiveScope {
    fn new(scope: Scope) -> Self {
        Self { scope, current: Default::default() }
    }

    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What stands before its names now; `None`: its generation is not known yet.
    #[must_use]
    pub fn prefixes(&self, tier: CacheTier) -> Option<Prefixes> {
        self.of(tier).as_ref().map(|current| current.prefixes)
    }

    /// The same, with word of the next flush.
    #[must_use]
    pub fn current(&self, tier: CacheTier) -> Option<Current> {
        self.of(tier).clone()
    }

    /// The generation that the server has. If it is another one than before, what it had is out of reach.
    pub fn begin(&self, tier: CacheTier, generation: Generation) {
        let prefixes = Prefixes { keys: self.scope.keys(generation), channels: self.scope.channels() };
        let mut current = self.of(tier);
        if current.as_ref().is_some_and(|current| current.prefixes == prefixes) {
            return;
        }
        let begun = Current { prefixes, flushed: CancellationToken::new() };
        if let Some(before) = current.replace(begun) {
            before.flushed.cancel();
        }
    }

    fn of(&self, tier: CacheTier) -> MutexGuard<'_, Option<Current>> {
        let place = match tier {
            CacheTier::Local => 0,
            CacheTier::Global => 1,
        };
        self.current[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scopes of one proxy.
#[derive(Debug, Default)]
pub struct LiveScopes(HashMap<Scope, (Arc<LiveScope>, Instant)>);

impl LiveScopes {
    /// One that somebody gets a token for at `now`.
    pub fn live(&mut self, scope: Scope, now: Instant) -> Arc<LiveScope> {
        let (live, used) =
            self.0.entry(scope).or_insert_with_key(|scope| (Arc::new(LiveScope::new(scope.clone())), now));
        *used = now;
        Arc::clone(live)
    }

    /// Another proxy has flushed it.
    pub fn flushed(&self, scope: &Scope, tier: CacheTier, generation: Generation) {
        if let Some((live, _)) = self.0.get(scope) {
            live.begin(tier, generation);
        }
    }

    /// Nothing that is known of a tier's generations holds any more: its server may have lost them.
    pub fn forget_generations(&self, tier: CacheTier) {
        for (live, _) in self.0.values() {
            if let Some(before) = live.of(tier).take() {
                before.flushed.cancel();
            }
        }
    }

    /// Forgets those that nobody has a token for, nor had since `idle` ago.
    pub fn sweep(&mut self, now: Instant, idle: Duration) {
        self.0.retain(|_, (live, used)| {
            Arc::strong_count(live) > 1 || now.saturating_duration_since(*used) < idle
        });
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        scopes.flushed(&scope("a"), LOCAL, Generation(2));
        assert!(before.flushed.is_cancelled());
        let after = one.prefixes(LOCAL).unwrap();
        assert_eq!(after.keys, scope("a").keys(Generation(2)));
        assert_eq!(after.channels, before.prefixes.channels, "channels are not keys");
        assert_eq!(untouched.prefixes(LOCAL).unwrap().keys, scope("b").keys(Generation(1)));
        scopes.forget_generations(LOCAL);
        assert!(one.prefixes(LOCAL).is_none());
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
    }
}
