//! Numbers that grow, and numbers that come and go.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// How often something happened.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How much there is of something now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// One that is counted until it is dropped.
#[derive(Debug)]
#[must_use = "what is not held is not counted"]
pub struct Held<'a>(&'a Gauge);

impl Gauge {
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Counts more, or fewer.
    pub fn add(&self, count: i64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Counts one more for as long as the value lives, however it ends.
    pub fn hold(&self) -> Held<'_> {
        self.add(1);
        Held(self)
    }

    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let gauge = Gauge::new();
        let (first, second) = (gauge.hold(), gauge.hold());
        assert_eq!(gauge.get(), 2);
        drop(first);
        assert_eq!(gauge.get(), 1);
        drop(second);
        assert_eq!(gauge.get(), 0);
    }
}
