//! How long things take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in seconds for what takes from a fraction of a millisecond to a minute.
pub const SECONDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// A distribution over fixed buckets. The histogram of `prometheus-client` takes a lock for each value; this one is three
/// atomic additions.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all of them.
    buckets: Box<[AtomicU64]>,
    /// In millionths.
    sum: AtomicU64,
}

/// What a histogram holds at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// Upper bounds and how many values are in each bucket alone; the last bound is infinite.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// `bounds` grow.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Durations, by seconds.
    #[must_use]
    pub fn of_seconds() -> Self {
        Self::new(&SECONDS)
    }

    pub fn record(&self, took: Duration) {
        self.add(took.as_secs_f64(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn record_ms(&self, took: u64) {
        self.record(Duration::from_millis(took));
    }

    /// A size, or another whole number.
    pub fn record_number(&self, number: u64) {
        #[expect(clippy::cast_precision_loss, reason = "buckets are far apart")]
        self.add(number as f64, number.saturating_mul(1_000_000));
    }

    fn add(&self, value: f64, millionths: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(millionths, Relaxed);
    }

    pub(crate) fn distribution(&self) -> Distribution {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> =
            bounds.zip(&self.buckets).map(|(bound, count)| (bound, count.load(Relaxed))).collect();
        // Not counted on its own: a value that comes in meanwhile would be in the count and in no bucket.
        let count = buckets.iter().map(|(_, count)| count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a sum of years of seconds is exact to a microsecond")]
        let sum = self.sum.load(Relaxed) as f64 / 1e6;
        Distribution { sum, count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_bucket_whose_bound_they_do_not_exceed() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        [1, 2, 10, 11].into_iter().for_each(|number| histogram.record_number(number));
        let held = histogram.distribution();
        assert_eq!(held.buckets, [(1.0, 1), (10.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((held.count, held.sum), (4, 24.0));
    }

    #[test]
    fn durations_are_seconds() {
        let histogram = Histogram::of_seconds();
        histogram.record(Duration::from_micros(300));
        histogram.record_ms(2_000);
        let held = histogram.distribution();
        assert!((held.sum - 2.0003).abs() < 1e-9, "{held:?}");
        assert_eq!(held.buckets[1], (0.000_5, 1));
    }
}
