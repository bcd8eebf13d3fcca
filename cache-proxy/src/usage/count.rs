//! What each key that is found says.

use std::collections::{HashMap, HashSet};

use oxwhisk_cache_commands::{Owner, Prefix};
use oxwhisk_cache_tokens::Usage;

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Of(Owner),
    /// Of a generation of a scope that is over.
    Flushed(Prefix),
    /// The proxies' own.
    Ours,
    /// Not of a cache at all.
    Unknown,
}

pub(super) fn whose(key: &[u8], flushed: &HashSet<Prefix>) -> Whose {
    match Prefix::of_key(key) {
        Some(prefix) if flushed.contains(&prefix) => Whose::Flushed(prefix),
        Some(prefix) => Whose::Of(prefix.owner()),
        None if key.starts_with(b"0") => Whose::Ours,
        None => Whose::Unknown,
    }
}

/// What is to be done about a key's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// It has none.
    Give,
    /// It is too late.
    Cut,
}

/// By what `TTL` replies.
pub(super) const fn remedy(seconds: i64, most: u32) -> Option<Remedy> {
    match seconds {
        -1 => Some(Remedy::Give),
        seconds if seconds > most as i64 => Some(Remedy::Cut),
        _ => None,
    }
}

/// What was found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) owners: HashMap<Owner, Usage>,
    pub(super) unknown: u64,
    /// All, whosever.
    pub(super) keys: u64,
}

impl Census {
    pub(super) fn add(&mut self, owner: Owner, bytes: u64) {
        let usage = self.owners.entry(owner).or_default();
        usage.bytes += bytes;
        usage.keys += 1;
    }

    /// One that was found is no longer there.
    pub(super) fn remove(&mut self, owner: Owner, bytes: u64) {
        if let Some(usage) = self.owners.get_mut(&owner) {
            usage.bytes = usage.bytes.saturating_sub(bytes);
            usage.keys = usage.keys.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whose_their_beginning_says() {
        let (old, now) = (Prefix::of_hash([7; 16]), Prefix::of_hash([9; 16]));
        let flushed = HashSet::from([old]);
        let key = |prefix: &Prefix| [prefix.as_bytes(), b"k"].concat();
        assert_eq!(whose(&key(&old), &flushed), Whose::Flushed(old));
        assert_eq!(whose(&key(&now), &flushed), Whose::Of(now.owner()));
        assert_eq!(whose(b"0sweeper", &flushed), Whose::Ours);
        for unknown in [&b""[..], b"k", b"1short:", b"session:42"] {
            assert_eq!(whose(unknown, &flushed), Whose::Unknown);
        }
    }

    #[test]
    fn every_key_has_an_expiry_that_is_not_too_late() {
        let of = |seconds| remedy(seconds, 100);
        assert_eq!(of(-1), Some(Remedy::Give));
        assert_eq!([of(-2), of(0), of(100)], [None; 3]);
        assert_eq!(of(101), Some(Remedy::Cut));
        assert_eq!(remedy(i64::from(u32::MAX), u32::MAX), None);
    }

    #[test]
    fn what_is_removed_is_counted_no_more() {
        let (one, other) = (Prefix::of_hash([1; 16]).owner(), Prefix::of_hash([2; 16]).owner());
        let mut census = Census::default();
        census.add(one, 10);
        census.add(one, 5);
        census.add(other, 7);
        census.remove(one, 10);
        assert_eq!(census.owners[&one], Usage { bytes: 5, keys: 1 });
        assert_eq!(census.owners[&other], Usage { bytes: 7, keys: 1 });
    }
}
