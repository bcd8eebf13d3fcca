//! Whose keys are whose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use oxwhisk_cache_commands::Prefix;
use sha2::{Digest as _, Sha256};

/// Another number whenever a scope is flushed: what has an earlier one is nobody's any more. Random, so that a server that
/// has lost it makes another one, and never one of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub u64);

/// A scope that somebody has a token for. All tokens of a scope share it, so that all see it flushed.
#[derive(Debug)]
pub struct LiveScope {
    scope: Scope,
    prefix: Mutex<Prefix>,
}

impl LiveScope {
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What stands before its keys now.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        *self.current()
    }

    /// It begins anew: what it had is out of reach.
    pub fn begin(&self, generation: Generation) {
        *self.current() = self.scope.prefix(generation);
    }

    fn current(&self) -> MutexGuard<'_, Prefix> {
        self.prefix.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scopes of one proxy that somebody has a token for.
#[derive(Debug, Default)]
pub struct LiveScopes(HashMap<Scope, Weak<LiveScope>>);

impl LiveScopes {
    /// The scope, in the generation that the server has of it.
    pub fn live(&mut self, scope: Scope, generation: Generation) -> Arc<LiveScope> {
        if let Some(live) = self.0.get(&scope).and_then(Weak::upgrade) {
            // Another proxy may have flushed it.
            live.begin(generation);
            return live;
        }
        let prefix = Mutex::new(scope.prefix(generation));
        let live = Arc::new(LiveScope { scope: scope.clone(), prefix });
        self.0.insert(scope, Arc::downgrade(&live));
        live
    }

    /// Forgets those that nobody has a token for.
    pub fn sweep(&mut self) {
        self.0.retain(|_, live| live.strong_count() > 0);
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

/// Always within the namespace that invokes, by the uuid of its key: a namespace that is made anew under an old name begins
/// with nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One action's, the default. The name is that of where its code is, so that code of another namespace's package, whoever
    /// invokes it, meets none of the invoker's own keys.
    Action { namespace_uuid: String, action: String },
    /// All actions of a package.
    Package { namespace_uuid: String, package: String },
    /// The whole namespace's.
    Namespace { namespace_uuid: String },
}

impl Scope {
    #[must_use]
    pub fn namespace_uuid(&self) -> &str {
        match self {
            Self::Action { namespace_uuid, .. }
            | Self::Package { namespace_uuid, .. }
            | Self::Namespace { namespace_uuid } => namespace_uuid,
        }
    }

    /// What stands before its keys. Each part goes into the hash with its length, so that no two scopes write the same.
    #[must_use]
    pub fn prefix(&self, generation: Generation) -> Prefix {
        let (kind, name) = match self {
            Self::Action { action, .. } => (b'a', action.as_str()),
            Self::Package { package, .. } => (b'p', package.as_str()),
            Self::Namespace { .. } => (b'n', ""),
        };
        let mut hash = Sha256::new();
        hash.update(b"oxwhisk cache scope 1");
        hash.update([kind]);
        for part in [self.namespace_uuid(), name] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(generation.0.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Prefix::of_hash(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn action(namespace_uuid: &str, action: &str) -> Scope {
        Scope::Action { namespace_uuid: namespace_uuid.to_owned(), action: action.to_owned() }
    }

    #[test]
    fn every_scope_and_generation_has_its_own_prefix() {
        let package = |uuid: &str, name: &str| Scope::Package {
            namespace_uuid: uuid.to_owned(),
            package: name.to_owned(),
        };
        let namespace = |uuid: &str| Scope::Namespace { namespace_uuid: uuid.to_owned() };
        let scopes = [
            action("u", "ab"),
            action("ua", "b"),
            action("u", ""),
            package("u", "ab"),
            package("u", ""),
            namespace("u"),
            namespace("uab"),
        ];
        let prefixes: HashSet<_> = scopes
            .iter()
            .flat_map(|scope| [0, 1, u64::MAX].map(|generation| scope.prefix(Generation(generation))))
            .collect();
        assert_eq!(prefixes.len(), scopes.len() * 3);
        assert_eq!(action("u", "a").prefix(Generation(3)), action("u", "a").prefix(Generation(3)));
    }

    #[test]
    fn whoever_flushes_a_scope_flushes_it_for_all() {
        let mut scopes = LiveScopes::default();
        let (one, other) =
            (scopes.live(action("u", "a"), Generation(1)), scopes.live(action("u", "a"), Generation(1)));
        let untouched = scopes.live(action("u", "b"), Generation(1));
        let before = one.prefix();
        one.begin(Generation(2));
        assert_eq!((other.prefix(), one.prefix()), (action("u", "a").prefix(Generation(2)), other.prefix()));
        assert_ne!(other.prefix(), before);
        assert_eq!(untouched.prefix(), action("u", "b").prefix(Generation(1)));
        // Another proxy has flushed it meanwhile.
        scopes.live(action("u", "a"), Generation(3));
        assert_eq!(one.prefix(), action("u", "a").prefix(Generation(3)));
        drop((one, other));
        scopes.sweep();
        assert_eq!(scopes.len(), 1);
        // Nobody had it for a while.
        assert_eq!(
            scopes.live(action("u", "a"), Generation(4)).prefix(),
            action("u", "a").prefix(Generation(4))
        );
    }
}
