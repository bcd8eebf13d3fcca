//! Whose keys are whose.

use oxwhisk_cache_commands::Prefix;
use sha2::{Digest as _, Sha256};

/// Grows when a scope is flushed: what has an earlier one is nobody's any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

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
}
