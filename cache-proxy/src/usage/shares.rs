//! How much of a server each namespace may have.
//!
//! What a namespace may have at most is its budget; all budgets together may be more than the server has. When it is nearly
//! full, who has most gives first: down to a level at which all fit (max-min fairness). So everybody has a share that is its
//! own: the limit by the number of those who have something, and more where others leave theirs.

use std::collections::HashMap;
use std::hash::Hash;

use oxwhisk_cache_tokens::{Budget, Usage};

use super::evict::Cut;

/// Of a budget, what is left of it after it was passed: else every write would pass it again.
const LEFT: f64 = 0.95;
/// Of a server's memory, what namespaces may fill.
const HIGH_WATER: f64 = 0.9;

/// A server's, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// As the server says; `None`: it does not.
    pub(super) used: Option<u64>,
    /// `None`: there is none.
    pub(super) limit: Option<u64>,
}

impl Memory {
    /// Whether it is so full that namespaces have to give some of it back.
    pub(super) fn is_high(&self, keys: u64) -> bool {
        self.limit.is_some_and(|limit| self.used.unwrap_or(keys) as f64 > limit as f64 * HIGH_WATER)
    }

    /// How much all keys together may have that have `keys` bytes now. A server takes more than its keys seem to: they shrink
    /// in proportion.
    fn room(&self, keys: u64) -> u64 {
        let Some(limit) = self.limit else { return u64::MAX };
        let water = limit as f64 * HIGH_WATER;
        let used = self.used.unwrap_or(keys).max(keys).max(1);
        part(keys, (water / used as f64).min(1.0))
    }
}

/// What each has to lose. `budget_of` says what one may have.
pub(super) fn plan<O: Copy + Eq + Hash>(
    found: &HashMap<O, Usage>,
    budget_of: impl Fn(O) -> Budget,
    memory: Memory,
) -> HashMap<O, Cut> {
    let own: Vec<(O, Usage, Usage)> =
        found.iter().map(|(owner, has)| (*owner, *has, allowed(*has, &budget_of(*owner)))).collect();
    let keys: u64 = own.iter().map(|(_, has, _)| has.bytes).sum();
    let room = if memory.is_high(keys) { memory.room(keys) } else { u64::MAX };
    let mut wants: Vec<u64> = own.iter().map(|(_, has, allowed)| has.bytes.min(allowed.bytes)).collect();
    let level = level(&mut wants, room);
    own.into_iter()
        .filter_map(|(owner, has, allowed)| {
            let target = Usage { bytes: allowed.bytes.min(level), keys: allowed.keys };
            Some((owner, Cut::to(target, has)?))
        })
        .collect()
}

/// What it may keep by its own budget. Who wants writes to be refused keeps all.
fn allowed(has: Usage, budget: &Budget) -> Usage {
    let keep = |has: u64, most: u64| {
        if has <= most || budget.refuse_when_full { u64::MAX } else { part(most, LEFT) }
    };
    Usage { bytes: keep(has.bytes, budget.bytes), keys: keep(has.keys, budget.keys) }
}

/// The most that anybody may have so that all together have no more than `room`.
fn level(wants: &mut [u64], room: u64) -> u64 {
    if wants.iter().try_fold(0u64, |sum, want| sum.checked_add(*want)).is_some_and(|sum| sum <= room) {
        return u64::MAX;
    }
    wants.sort_unstable();
    let mut left = room;
    let mut count = wants.len() as u64;
    for want in wants.iter() {
        let share = left / count;
        if *want > share {
            return share;
        }
        left -= want;
        count -= 1;
    }
    u64::MAX
}

/// Rounded up, so that who may have one key keeps one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a part of what is there")]
fn part(of: u64, part: f64) -> u64 {
    ((of as f64 * part).ceil() as u64).min(of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_bytes(bytes: u64) -> Usage {
        Usage { bytes, keys: 1 }
    }

    fn after(has: Usage, cut: Option<&Cut>) -> f64 {
        has.bytes as f64 * (1.0 - cut.map_or(0.0, |cut| cut.bytes))
    }

    #[test]
    fn who_is_over_its_budget_is_brought_below_it() {
        let found =
            HashMap::from([('a', Usage { bytes: 200, keys: 10 }), ('b', Usage { bytes: 100, keys: 3 })]);
        let budget = Budget { bytes: 100, keys: 5, ..Budget::default() };
        let cuts = plan(&found, |_| budget, Memory::default());
        assert_eq!(cuts, HashMap::from([('a', Cut { bytes: 105.0 / 200.0, keys: 0.5 })]));
        let refuses = Budget { refuse_when_full: true, ..budget };
        assert!(plan(&found, |_| refuses, Memory::default()).is_empty());
    }

    #[test]
    fn who_has_most_gives_first() {
        let found = HashMap::from([('a', of_bytes(70)), ('b', of_bytes(20)), ('c', of_bytes(9))]);
        let memory = Memory { used: None, limit: Some(100) };
        let cuts = plan(&found, |_| Budget::default(), memory);
        assert_eq!(cuts.keys().collect::<Vec<_>>(), [&'a']);
        assert!((after(found[&'a'], cuts.get(&'a')) - 61.0).abs() < 1e-9);
        // Though it wants its own writes refused: the rest is others'.
        let refuses = Budget { refuse_when_full: true, ..Budget::default() };
        assert_eq!(plan(&found, |_| refuses, memory), cuts);
        assert!(plan(&found, |_| Budget::default(), Memory { used: None, limit: Some(110) }).is_empty());
        assert!(plan(&found, |_| Budget::default(), Memory { used: Some(1000), limit: None }).is_empty());
        // A server that uses twice as much for the same keys.
        let memory = Memory { used: Some(198), limit: Some(200) };
        let scaled = plan(&found, |_| Budget::default(), memory);
        assert!((after(found[&'a'], scaled.get(&'a')) - 61.0).abs() < 1.1);
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_limit_and_nobody_loses_its_own(
            has in prop::collection::vec(0u64..1_000_000, 1..50),
            budgets in prop::collection::vec(1u64..1_000_000, 50),
            limit in 1u64..20_000_000,
        ) {
            let found: HashMap<usize, Usage> = has.iter().map(|bytes| of_bytes(*bytes)).enumerate().collect();
            let budget = |n: usize| Budget { bytes: budgets[n], ..Budget::default() };
            let memory = Memory { used: None, limit: Some(limit) };
            let cuts = plan(&found, budget, memory);
            let left: Vec<f64> = (0..has.len()).map(|n| after(found[&n], cuts.get(&n))).collect();
            let (water, total): (f64, f64) = (limit as f64 * HIGH_WATER, left.iter().sum());
            let tolerance = has.len() as f64 + 1.0;
            prop_assert!(total <= water + tolerance, "{total} of {water}");
            let share = water / has.len() as f64;
            for (n, left) in left.iter().enumerate() {
                // Nobody at or below its share, or its budget where that is smaller, loses anything.
                if has[n] as f64 <= share.min(budgets[n] as f64) - 1.0 {
                    prop_assert!(!cuts.contains_key(&n), "{n} has {}", has[n]);
                }
                prop_assert!(*left + 1.0 >= (has[n] as f64).min(share.floor() - 1.0).min(budgets[n] as f64 * LEFT));
            }
            // Only as much as is needed: who is cut for others' sake leaves no room.
            let by_budget = |n: usize| has[n] > budgets[n];
            if cuts.keys().any(|n| !by_budget(*n)) {
                prop_assert!(total + tolerance >= water, "{total} of {water}");
            }
        }
    }
}
