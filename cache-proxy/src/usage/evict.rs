//! Which keys a namespace loses that has more than it may: its own, those first that have not been used for longest.
//!
//! Keys come in no order that has to do with their age, so the oldest tenth of each few hundred is about the oldest tenth of
//! all. So a walk deletes as it goes, with nothing to remember but those few hundred.

use bytes::Bytes;
use oxwhisk_cache_tokens::Usage;

/// Keys among which the oldest are looked for.
const SAMPLE: usize = 256;

/// What part of its bytes and of its keys a namespace loses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cut {
    pub(super) bytes: f64,
    pub(super) keys: f64,
}

impl Cut {
    /// Down to `target`; `None`: it has no more than that.
    pub(super) fn to(target: Usage, has: Usage) -> Option<Self> {
        let part = |target: u64, has: u64| {
            if has > target { (has - target) as f64 / has as f64 } else { 0.0 }
        };
        let cut = Self { bytes: part(target.bytes, has.bytes), keys: part(target.keys, has.keys) };
        (cut.bytes > 0.0 || cut.keys > 0.0).then_some(cut)
    }
}

/// A key that may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) key: Bytes,
    pub(super) bytes: u64,
    /// Seconds since it was used.
    pub(super) idle: u64,
}

/// One namespace's keys as they come by.
#[derive(Clone, Debug)]
pub(super) struct Evicting {
    cut: Cut,
    sample: Vec<Candidate>,
    /// What it has yet to lose of what came by. Less than nothing where the last key was larger than what was left.
    owed_bytes: f64,
    owed_keys: f64,
}

impl Evicting {
    pub(super) const fn new(cut: Cut) -> Self {
        Self { cut, sample: Vec::new(), owed_bytes: 0.0, owed_keys: 0.0 }
    }

    /// Says which keys go now.
    pub(super) fn add(&mut self, candidate: Candidate) -> Vec<Candidate> {
        self.owed_bytes += self.cut.bytes * candidate.bytes as f64;
        self.owed_keys += self.cut.keys;
        self.sample.push(candidate);
        if self.sample.len() < SAMPLE { Vec::new() } else { self.end() }
    }

    /// No more keys come.
    pub(super) fn end(&mut self) -> Vec<Candidate> {
        let mut sample = std::mem::take(&mut self.sample);
        sample.sort_by_key(|candidate| std::cmp::Reverse(candidate.idle));
        // Half a byte, or key, is what adding up makes of nothing.
        let lost = sample
            .iter()
            .take_while(|candidate| {
                let goes = self.owed_bytes > 0.5 || self.owed_keys > 0.5;
                if goes {
                    self.owed_bytes -= candidate.bytes as f64;
                    self.owed_keys -= 1.0;
                }
                goes
            })
            .count();
        sample.truncate(lost);
        sample
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(number: usize, bytes: u64, idle: u64) -> Candidate {
        Candidate { key: number.to_string().into(), bytes, idle }
    }

    fn all(cut: Cut, candidates: &[Candidate]) -> Vec<Candidate> {
        let mut evicting = Evicting::new(cut);
        let mut lost: Vec<_> =
            candidates.iter().flat_map(|candidate| evicting.add(candidate.clone())).collect();
        lost.extend(evicting.end());
        lost
    }

    #[test]
    fn the_oldest_go() {
        let candidates: Vec<_> = (0..100).map(|n| candidate(n, 10, (n as u64 * 37) % 100)).collect();
        let has = Usage { bytes: 1000, keys: 100 };
        let lost = all(Cut::to(Usage { bytes: 800, keys: 1000 }, has).unwrap(), &candidates);
        assert_eq!(lost.len(), 20);
        assert!(lost.iter().all(|lost| lost.idle >= 80));
        let lost = all(Cut::to(Usage { bytes: 5000, keys: 93 }, has).unwrap(), &candidates);
        assert_eq!(lost.len(), 7);
        assert_eq!(Cut::to(has, has), None);
    }

    #[test]
    fn one_key_that_is_too_large_goes() {
        let has = Usage { bytes: 300, keys: 1 };
        let cut = Cut::to(Usage { bytes: 299, keys: 9 }, has).unwrap();
        assert_eq!(all(cut, &[candidate(0, 300, 0)]).len(), 1);
    }

    proptest! {
        #[test]
        fn as_much_goes_as_has_to_and_one_key_more_at_most(
            keys in prop::collection::vec((1u64..10_000, 0u64..50), 1..2000),
            part in 0.01f64..1.0,
        ) {
            let candidates: Vec<_> =
                keys.iter().enumerate().map(|(n, (bytes, idle))| candidate(n, *bytes, *idle)).collect();
            let bytes: u64 = keys.iter().map(|(bytes, _)| bytes).sum();
            let has = Usage { bytes, keys: keys.len() as u64 };
            let target = (bytes as f64 * part) as u64;
            let Some(cut) = Cut::to(Usage { bytes: target, keys: u64::MAX }, has) else { return Ok(()) };
            let lost = all(cut, &candidates);
            let lost_bytes: u64 = lost.iter().map(|lost| lost.bytes).sum();
            let largest = keys.iter().map(|(bytes, _)| *bytes).max().unwrap_or_default();
            prop_assert!(bytes - lost_bytes <= target + 1, "{} of {bytes} for {target}", lost_bytes);
            prop_assert!(bytes - lost_bytes + largest >= target);
        }
    }
}
