//! Counting in time without counting records.
//!
//! Every record is counted in one bucket of each level; a range of time is then made up of few whole buckets, coarse
//! ones in the middle and fine ones towards its ends, and two ragged edges shorter than the finest bucket, where
//! the records themselves are counted.

/// Width of the buckets of each level, as powers of two of a millisecond: a second, a minute, an hour, three days.
pub(super) const SHIFTS: [u32; 4] = [10, 16, 22, 28];

/// The number under which the total of a key is kept, as if it were a fifth level with one bucket.
pub(super) const TOTAL_LEVEL: usize = SHIFTS.len();

/// A piece of a range of time; both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Shorter than a finest bucket at either side of a boundary: milliseconds since the epoch.
    Exact { first: i64, last: i64 },
    /// Whole buckets of a level, by their numbers.
    Buckets { level: usize, first: i64, last: i64 },
    /// All there is.
    Total,
}

/// The bucket of a level in which a time lies.
pub(super) const fn bucket(level: usize, time: i64) -> i64 {
    if level == TOTAL_LEVEL { 0 } else { time >> SHIFTS[level] }
}

/// The first and last millisecond of a bucket.
pub(super) const fn span(level: usize, bucket: i64) -> (i64, i64) {
    let first = bucket << SHIFTS[level];
    (first, first | ((1 << SHIFTS[level]) - 1))
}

/// The buckets of the next finer level that make up a bucket.
pub(super) const fn children(level: usize, bucket: i64) -> Option<Piece> {
    if level == 0 {
        return None;
    }
    let (first, last) = span(level, bucket);
    Some(Piece::Buckets {
        level: level - 1,
        first: first >> SHIFTS[level - 1],
        last: last >> SHIFTS[level - 1],
    })
}

/// Cuts the time from `since` to `upto`, both included, into pieces, the latest first.
pub(super) fn pieces(since: Option<i64>, upto: Option<i64>) -> Vec<Piece> {
    if since.is_none() && upto.is_none() {
        return vec![Piece::Total];
    }
    cut(since, upto)
}

/// As [`pieces`], never the total: for walking from the latest to the earliest.
pub(super) fn cut(since: Option<i64>, upto: Option<i64>) -> Vec<Piece> {
    // Half open and wider than the times, so that neither end overflows.
    let mut low = i128::from(since.unwrap_or(i64::MIN));
    let mut high = i128::from(upto.unwrap_or(i64::MAX)) + 1;
    let (mut late, mut early) = (Vec::new(), Vec::new());
    let mut finer = None;
    for (level, shift) in SHIFTS.into_iter().enumerate() {
        let width = 1_i128 << shift;
        let (inner_low, inner_high) = (-(-low).div_euclid(width) * width, high.div_euclid(width) * width);
        if inner_low >= inner_high {
            break;
        }
        late.extend(piece(finer, inner_high, high));
        early.extend(piece(finer, low, inner_low));
        (low, high, finer) = (inner_low, inner_high, Some(level));
    }
    late.extend(piece(finer, low, high));
    late.extend(early.into_iter().rev());
    late
}

/// The half-open range in buckets of the level (milliseconds without one), to whose boundaries it has been cut.
fn piece(level: Option<usize>, low: i128, high: i128) -> Option<Piece> {
    if low >= high {
        return None;
    }
    let shift = level.map_or(0, |level| SHIFTS[level]);
    // Within the range of the times, from which both ends come.
    let (first, last) = ((low >> shift) as i64, ((high - 1) >> shift) as i64);
    Some(match level {
        None => Piece::Exact { first, last },
        Some(level) => Piece::Buckets { level, first, last },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Times that lie close together and far apart, on boundaries and off them.
    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![
            -5000..5000_i64,
            0..1_i64 << 34,
            (0..1_i64 << 6, 0..4_usize).prop_map(|(n, level)| n << SHIFTS[level]),
            Just(i64::MIN),
            Just(i64::MAX),
        ]
    }

    fn counters(times: &[i64]) -> HashMap<(usize, i64), usize> {
        let mut counters = HashMap::new();
        for &time in times {
            for level in 0..=TOTAL_LEVEL {
                *counters.entry((level, bucket(level, time))).or_default() += 1;
            }
        }
        counters
    }

    fn count(piece: Piece, times: &[i64], counters: &HashMap<(usize, i64), usize>) -> usize {
        match piece {
            Piece::Exact { first, last } => {
                times.iter().filter(|time| (first..=last).contains(*time)).count()
            }
            Piece::Buckets { level, first, last } => counters
                .iter()
                .filter(|((of, number), _)| *of == level && (first..=last).contains(number))
                .map(|(_, n)| n)
                .sum(),
            Piece::Total => counters.get(&(TOTAL_LEVEL, 0)).copied().unwrap_or(0),
        }
    }

    proptest! {
        #[test]
        fn pieces_count_what_counting_counts(
            times in prop::collection::vec(time(), 0..60),
            since in prop::option::of(time()),
            upto in prop::option::of(time()),
        ) {
            let counters = counters(&times);
            let counted: usize = pieces(since, upto).into_iter().map(|piece| count(piece, &times, &counters)).sum();
            let low = since.unwrap_or(i64::MIN);
            let high = upto.unwrap_or(i64::MAX);
            prop_assert_eq!(counted, times.iter().filter(|time| (low..=high).contains(*time)).count());
        }

        #[test]
        fn edges_are_shorter_than_two_finest_buckets_and_levels_than_two_coarser_ones(
            since in prop::option::of(time()),
            upto in prop::option::of(time()),
        ) {
            for piece in pieces(since, upto) {
                match piece {
                    Piece::Exact { first, last } => prop_assert!(i128::from(last) - i128::from(first) < 2 << SHIFTS[0]),
                    Piece::Buckets { level, first, last } if level + 1 < SHIFTS.len() => {
                        prop_assert!(last - first < 2 << (SHIFTS[level + 1] - SHIFTS[level]));
                    }
                    Piece::Buckets { .. } | Piece::Total => {}
                }
            }
        }

        #[test]
        fn pieces_run_from_late_to_early(since in prop::option::of(time()), upto in prop::option::of(time())) {
            let ends = |piece: &Piece| match *piece {
                Piece::Exact { first, last } => (first, last),
                Piece::Buckets { level, first, last } => (span(level, first).0, span(level, last).1),
                Piece::Total => (i64::MIN, i64::MAX),
            };
            let cut = cut(since, upto);
            for (later, earlier) in cut.iter().zip(cut.iter().skip(1)) {
                prop_assert_eq!(ends(later).0 - 1, ends(earlier).1);
            }
        }
    }

    #[test]
    fn a_bucket_is_made_up_of_its_children() {
        assert_eq!(children(1, 3), Some(Piece::Buckets { level: 0, first: 192, last: 255 }));
        assert_eq!(children(0, 3), None);
    }
}
