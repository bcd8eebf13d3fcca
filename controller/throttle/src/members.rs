//! Who lives, and who owns what.

use std::fmt;
use std::sync::Arc;

/// One process of one controller: the name is another one after a restart, for example `controller0/17`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member(pub Arc<str>);

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a set of members: equal sets have equal ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId(pub u64);

/// The controllers that one of them takes to be alive, itself included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    id: ViewId,
    /// Sorted, each once.
    members: Vec<Member>,
}

impl View {
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        let id = members.iter().fold(FNV, |hash, member| fnv(fnv(hash, member.0.as_bytes()), &[0]));
        Self { id: ViewId(id), members }
    }

    #[must_use]
    pub fn id(&self) -> ViewId {
        self.id
    }

    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    #[must_use]
    pub fn contains(&self, member: &Member) -> bool {
        self.members.binary_search(member).is_ok()
    }

    /// Whose namespace this is: rendezvous hashing, so that a member that comes or goes moves only its own share.
    #[must_use]
    pub fn owner(&self, namespace: &str) -> Option<&Member> {
        let weight =
            |member: &Member| mix(fnv(fnv(fnv(FNV, member.0.as_bytes()), &[0]), namespace.as_bytes()));
        self.members.iter().max_by_key(|member| weight(member))
    }
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: every controller must come to the same hash, also after an upgrade of the compiler.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// splitmix64's output function: FNV's upper bits differ too little for texts that differ at their end.
const fn mix(hash: u64) -> u64 {
    let a = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(names: &[&str]) -> View {
        View::new(names.iter().map(|name| Member((*name).into())))
    }

    #[test]
    fn equal_sets_are_equal_views() {
        assert_eq!(view(&["b", "a", "b"]), view(&["a", "b"]));
        assert_ne!(view(&["ab"]).id(), view(&["a", "b"]).id());
        assert!(view(&[]).owner("n").is_none());
    }

    #[test]
    fn a_member_that_goes_moves_only_its_own_and_shares_are_even() {
        let (four, three) = (view(&["a", "b", "c", "d"]), view(&["a", "b", "c"]));
        let mut owned = 0;
        for number in 0..4000 {
            let namespace = format!("namespace-{number}");
            let owner = four.owner(&namespace).unwrap();
            if &*owner.0 == "d" {
                owned += 1;
            } else {
                assert_eq!(three.owner(&namespace), Some(owner));
            }
        }
        assert!((850..1150).contains(&owned), "{owned}");
    }
}
