//! How much is asked of a server at once, and how long it is left alone then.

use std::time::Duration;

/// What is asked at once should keep the server for no longer: its clients wait for as long.
const TARGET: Duration = Duration::from_micros(500);
/// Shorter pauses are added up: timers are no finer.
const SHORTEST: Duration = Duration::from_millis(2);
/// One exchange that took very long, since others were at work, is no reason to rest for minutes.
const LONGEST: Duration = Duration::from_millis(100);

/// A server that seems to get slower does so by as much at most from one exchange to the next.
const SLOWER: f64 = 1.25;

/// How many keys are in one exchange, by how long the server takes for one. On a machine where others are at work an exchange may
/// take much longer than the server does, but never less: so what counts is the least of late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    size: usize,
    most: usize,
    /// For one key; `None` before the first exchange.
    cost: Option<Duration>,
}

impl Batch {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { size: most.min(16), most, cost: None }
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// So many were in one that took so long. Says how long the server was at work for it.
    pub(super) fn took(&mut self, count: usize, time: Duration) -> Duration {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let seen = time / count;
        let cost = self.cost.map_or(seen, |cost| seen.min(cost.mul_f64(SLOWER)));
        self.cost = Some(cost);
        let fits = TARGET.as_nanos() / cost.as_nanos().max(1);
        let fits = usize::try_from(fits).unwrap_or(usize::MAX);
        // What is seen of a few keys tells little of many.
        self.size = fits.min(self.size * 2).clamp(1, self.most);
        (cost * count).min(time)
    }
}

/// Keeps a walk to its share of the server's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    percent: u32,
    owed: Duration,
    busy: Duration,
}

impl Pace {
    pub(super) fn new(percent: u32) -> Self {
        Self { percent: percent.clamp(1, 100), owed: Duration::ZERO, busy: Duration::ZERO }
    }

    /// The server was at work for so long; says how long to leave it alone before more is asked.
    pub(super) fn worked(&mut self, time: Duration) -> Option<Duration> {
        self.busy += time;
        self.owed = (self.owed + time * (100 - self.percent) / self.percent).min(LONGEST);
        (self.owed >= SHORTEST).then(|| std::mem::take(&mut self.owed))
    }

    pub(super) const fn busy(&self) -> Duration {
        self.busy
    }
}

/// The percentage of the server's time for the next pass, which will keep it about as long as the last: as little as `usual`, but
/// as much as lets the pass end in `within`, up to `most`.
pub(super) fn percent(usual: u32, most: u32, last_busy: Duration, within: Duration) -> u32 {
    let needed = last_busy.as_secs_f64() * 100.0 / within.as_secs_f64().max(0.001);
    // A few more, since it never ends quite in time.
    let needed = (needed * 1.1).ceil().min(100.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
    let needed = needed as u32;
    needed.max(usual).min(most.max(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    #[test]
    fn batches_are_as_large_as_the_server_is_quick() {
        for (per_key, expected) in [(1, 500), (10, 50), (400, 1), (4000, 1)] {
            let mut batch = Batch::new(5000);
            for _ in 0..100 {
                batch.took(batch.size(), MICROSECOND * per_key * u32::try_from(batch.size()).unwrap());
            }
            assert_eq!(batch.size(), expected, "{per_key}: {batch:?}");
        }
        assert_eq!(Batch::new(0).size(), 1);
    }

    #[test]
    fn what_others_keep_the_machine_for_does_not_count() {
        let mut batch = Batch::new(5000);
        for _ in 0..20 {
            batch.took(batch.size(), MICROSECOND * u32::try_from(batch.size()).unwrap());
        }
        for round in 0..100 {
            let time = MICROSECOND * 500;
            let held_up = if round % 3 == 0 { time } else { time * 20 };
            let paid = batch.took(500, held_up);
            assert!(paid <= time * 2, "{round}: {paid:?}");
            assert!(batch.size() >= 300);
        }
        // A server that is slow indeed is left alone soon.
        for _ in 0..50 {
            batch.took(batch.size(), MICROSECOND * 250 * u32::try_from(batch.size()).unwrap());
        }
        assert_eq!(batch.size(), 2);
    }

    #[test]
    fn the_server_is_left_alone_for_the_rest_of_the_time() {
        let mut pace = Pace::new(10);
        let mut paused = Duration::ZERO;
        for _ in 0..1000 {
            paused += pace.worked(MICROSECOND * 100).unwrap_or_default();
        }
        assert_eq!(pace.busy(), MICROSECOND * 100_000);
        assert!((890..=900).contains(&paused.as_millis()), "{paused:?}");
        assert_eq!(pace.worked(Duration::from_secs(9)), Some(LONGEST));
        assert_eq!(Pace::new(100).worked(Duration::from_secs(1)), None);
    }

    #[test]
    fn a_long_pass_takes_a_larger_share() {
        let of = |seconds| percent(10, 30, Duration::from_secs(seconds), Duration::from_secs(50));
        assert_eq!((of(0), of(2), of(10), of(1000)), (10, 10, 22, 30));
        assert_eq!(percent(50, 30, Duration::ZERO, Duration::ZERO), 50);
    }
}
