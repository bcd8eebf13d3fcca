//! Whose keys are whose.

use std::sync::Arc;

use oxwhisk_cache_commands::{Owner, Prefix};
use oxwhisk_core::cache::CacheScope;
use oxwhisk_core::name::FullyQualifiedName;
use sha2::{Digest as _, Sha256};

/// Another number whenever a scope is flushed: what has an earlier one is nobody's any more. Random, so that a server that
/// has lost it makes another one, and never one of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub u64);

/// Always within the namespace that invokes, by the uuid of its key: a namespace that is made anew under an old name begins
/// with nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub namespace_uuid: Arc<str>,
    pub share: Share,
}

/// What of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// One action's, the default. The name is that of where its code is, so that code of another namespace's package, whoever
    /// invokes it, meets none of the invoker's own keys.
    Action(String),
    /// All actions of a package, `namespace/package`; those of a namespace that are in none are together, too.
    Package(String),
    /// The whole namespace's.
    Namespace,
}

impl Share {
    #[must_use]
    pub const fn kind(&self) -> CacheScope {
        match self {
            Self::Action(_) => CacheScope::Action,
            Self::Package(_) => CacheScope::Package,
            Self::Namespace => CacheScope::Namespace,
        }
    }
}

/// What a hash is of, so that none of one purpose is one of another's.
#[derive(Clone, Copy)]
enum Purpose {
    Keys(Generation),
    Channels,
    /// Where the generation itself is kept.
    Generation,
}

impl Scope {
    /// The one that an action's activations have. The name is of where its code is.
    #[must_use]
    pub fn of(scope: CacheScope, namespace_uuid: Arc<str>, action: &FullyQualifiedName) -> Self {
        let share = match scope {
            CacheScope::Action => Share::Action(action.to_string()),
            CacheScope::Package => Share::Package(action.path.to_string()),
            CacheScope::Namespace => Share::Namespace,
        };
        Self { namespace_uuid, share }
    }

    /// What stands before its keys.
    #[must_use]
    pub fn keys(&self, generation: Generation) -> Prefix {
        self.prefix(Purpose::Keys(generation))
    }

    /// What stands before its channels.
    #[must_use]
    pub fn channels(&self) -> Prefix {
        self.prefix(Purpose::Channels)
    }

    /// The key that its generation is kept under. No scope's key begins like that.
    #[must_use]
    pub fn generation_key(&self) -> Vec<u8> {
        [b"0generation:", self.prefix(Purpose::Generation).as_bytes()].concat()
    }

    /// Each part goes into the hash with its length, so that no two scopes write the same.
    fn prefix(&self, purpose: Purpose) -> Prefix {
        let (kind, name) = match &self.share {
            Share::Action(action) => (b'a', action.as_str()),
            Share::Package(package) => (b'p', package.as_str()),
            Share::Namespace => (b'n', ""),
        };
        let (purpose, generation) = match purpose {
            Purpose::Keys(generation) => (b'k', generation.0),
            Purpose::Channels => (b'c', 0),
            Purpose::Generation => (b'g', 0),
        };
        let mut hash = Sha256::new();
        hash.update(b"oxwhisk cache scope 1");
        hash.update([purpose, kind]);
        for part in [&*self.namespace_uuid, name] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(generation.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let owner = owner(&self.namespace_uuid);
        let mut both = [0; 16];
        both[..owner.len()].copy_from_slice(&owner);
        both[owner.len()..].copy_from_slice(&hash[..16 - owner.len()]);
        Prefix::of_hash(both)
    }
}

/// What all prefixes of a namespace have alike.
fn owner(namespace_uuid: &str) -> [u8; 6] {
    let hash: [u8; 32] = Sha256::new_with_prefix(b"oxwhisk cache owner 1")
        .chain_update(namespace_uuid.as_bytes())
        .finalize()
        .into();
    let mut first = [0; 6];
    first.copy_from_slice(&hash[..6]);
    first
}

/// By which a namespace's keys are counted.
#[must_use]
pub fn owner_of(namespace_uuid: &str) -> Owner {
    let mut hash = [0; 16];
    hash[..6].copy_from_slice(&owner(namespace_uuid));
    Prefix::of_hash(hash).owner()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn scope(namespace_uuid: &str, share: Share) -> Scope {
        Scope { namespace_uuid: namespace_uuid.into(), share }
    }

    #[test]
    fn every_scope_and_generation_has_its_own_prefix() {
        let scopes = [
            scope("u", Share::Action("ab".to_owned())),
            scope("ua", Share::Action("b".to_owned())),
            scope("u", Share::Action(String::new())),
            scope("u", Share::Package("ab".to_owned())),
            scope("u", Share::Package(String::new())),
            scope("u", Share::Namespace),
            scope("uab", Share::Namespace),
        ];
        let mut prefixes: HashSet<_> = scopes
            .iter()
            .flat_map(|scope| [0, 1, u64::MAX].map(|generation| scope.keys(Generation(generation))))
            .collect();
        prefixes.extend(scopes.iter().map(Scope::channels));
        assert_eq!(prefixes.len(), scopes.len() * 4);
        assert_eq!(scopes[0].keys(Generation(3)), scopes[0].clone().keys(Generation(3)));
        let kept: HashSet<_> = scopes.iter().map(Scope::generation_key).collect();
        assert_eq!(kept.len(), scopes.len());
        assert!(kept.iter().all(|key| Prefix::of_key(key).is_none()));
        for one in &scopes {
            assert_eq!(one.channels().owner(), owner_of(&one.namespace_uuid));
            assert_eq!(one.keys(Generation(7)).owner() == owner_of("u"), &*one.namespace_uuid == "u");
        }
    }

    #[test]
    fn an_actions_scope_is_where_its_code_is() {
        let guest = oxwhisk_core::name::EntityName::new("guest").unwrap();
        let name = |text: &str| FullyQualifiedName::parse(text, &guest).unwrap();
        let of = |scope, text: &str| Scope::of(scope, "u".into(), &name(text));
        assert_eq!(of(CacheScope::Action, "/guest/p/a").share, Share::Action("guest/p/a".to_owned()));
        assert_eq!(of(CacheScope::Package, "/guest/p/a"), of(CacheScope::Package, "/guest/p/b"));
        assert_ne!(of(CacheScope::Package, "/guest/p/a"), of(CacheScope::Package, "/guest/q/a"));
        assert_eq!(of(CacheScope::Package, "/guest/a"), of(CacheScope::Package, "/guest/b"));
        assert_ne!(of(CacheScope::Package, "/guest/a"), of(CacheScope::Package, "/guest/p/a"));
        assert_ne!(of(CacheScope::Action, "/guest/p/a"), of(CacheScope::Action, "/other/p/a"));
        assert_eq!(of(CacheScope::Namespace, "/guest/a"), of(CacheScope::Namespace, "/guest/p/b"));
    }
}
