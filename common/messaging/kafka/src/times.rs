//! When what is not done of a partition was produced.

use std::collections::BTreeMap;

/// Times of the records of one assignment, in milliseconds since the epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    /// Of those not done, by offset.
    open: BTreeMap<u64, i64>,
    /// How many of those have a time: a partition's times need not grow, its leaders have clocks of their own.
    counts: BTreeMap<i64, usize>,
    /// Of the first record that was read, which was not done then: what is not done is no older.
    pub(crate) first: Option<i64>,
    /// What was not read is no older: the time of the last record that was, or when an empty partition was taken up.
    floor: i64,
}

impl Times {
    pub(crate) fn read(&mut self, offset: u64, at: i64, fresh: bool) {
        self.first.get_or_insert(at);
        self.floor = self.floor.max(at);
        if fresh && self.open.insert(offset, at).is_none() {
            *self.counts.entry(at).or_default() += 1;
        }
    }

    pub(crate) fn done(&mut self, offset: u64) {
        let Some(at) = self.open.remove(&offset) else { return };
        if let Some(count) = self.counts.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&at);
            }
        }
    }

    /// The partition was taken up when it was empty.
    pub(crate) fn begin_at(&mut self, at: i64) {
        self.floor = at;
    }

    /// Of the oldest one not done. `more`: there may be some that were not read, of which it is only known what they are not
    /// older than.
    pub(crate) fn oldest(&self, more: bool) -> Option<i64> {
        let read = self.counts.keys().next().copied();
        read.or_else(|| more.then_some(self.floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_of_what_is_not_done() {
        let mut times = Times::default();
        assert_eq!((times.oldest(false), times.oldest(true)), (None, Some(0)));
        times.begin_at(7);
        assert_eq!((times.oldest(false), times.oldest(true)), (None, Some(7)));
        for (offset, at) in [(3, 30), (4, 20), (5, 20), (6, 50)] {
            times.read(offset, at, offset != 6);
        }
        assert_eq!((times.oldest(false), times.first), (Some(20), Some(30)));
        times.done(4);
        assert_eq!(times.oldest(false), Some(20));
        times.done(5);
        times.done(5);
        assert_eq!(times.oldest(false), Some(30));
        times.done(3);
        assert_eq!((times.oldest(false), times.oldest(true)), (None, Some(50)));
    }
}
