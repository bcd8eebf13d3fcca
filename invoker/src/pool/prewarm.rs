//! How many stem cells there should be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::key::Shape;
use crate::config::{PrewarmConfig, ReactiveConfig, StemCellConfig};

/// How many of them a check wants: as many as the cold starts since the last one suggest.
pub(super) fn wanted_at_check(reactive: &ReactiveConfig, cold_starts: u32) -> u32 {
    if cold_starts < reactive.threshold {
        return reactive.min_count;
    }
    let grown = (cold_starts / reactive.threshold.max(1)).saturating_mul(reactive.increment);
    grown.max(reactive.min_count).min(reactive.max_count)
}

/// How many of them are kept between checks, when some are used or lost.
pub(super) fn wanted_between_checks(config: &StemCellConfig) -> u32 {
    config.reactive.as_ref().map_or(config.initial_count, |reactive| reactive.min_count)
}

#[derive(Debug)]
struct StemCell {
    config: StemCellConfig,
    shape: Arc<Shape>,
    /// Started or being started, and not taken.
    count: u32,
    wanted: u32,
    cold_starts: u32,
    /// In a row.
    failures: u32,
}

/// All stem cells, known by their place in the configuration.
#[derive(Debug)]
pub(super) struct StemCells {
    list: Vec<StemCell>,
    next_check: Option<Instant>,
    check_interval: Duration,
    expiration_limit: usize,
    max_retries: u32,
}

impl StemCells {
    pub(super) fn new(config: &PrewarmConfig, concurrent: bool, now: Instant) -> Self {
        let list: Vec<_> =
            config.stem_cells.iter().map(|cell| StemCell::new(cell.clone(), concurrent)).collect();
        Self {
            next_check: (!list.is_empty()).then(|| now + config.check_interval),
            list,
            check_interval: config.check_interval,
            expiration_limit: config.expiration_limit,
            max_retries: config.max_retries,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn next_check(&self) -> Option<Instant> {
        self.next_check
    }

    /// The next one to start that fits into `free` megabytes; it counts as started.
    pub(super) fn next_missing(&mut self, free: u64) -> Option<(usize, Arc<Shape>)> {
        let max_retries = self.max_retries;
        let missing = |cell: &StemCell| {
            cell.count < cell.wanted && cell.failures <= max_retries && cell.shape.memory <= free
        };
        let place = self.list.iter().position(missing)?;
        let cell = &mut self.list[place];
        cell.count += 1;
        Some((place, Arc::clone(&cell.shape)))
    }

    /// A started container that nobody wants becomes a stem cell, if one of its shape is missing.
    pub(super) fn adopt(&mut self, shape: &Shape) -> Option<usize> {
        let place = self.list.iter().position(|cell| cell.count < cell.wanted && *cell.shape == *shape)?;
        self.list[place].count += 1;
        Some(place)
    }

    pub(super) fn started(&mut self, place: usize) {
        self.list[place].failures = 0;
    }

    /// A start failed. The pool forgets the container next, which uncounts it.
    pub(super) fn failed(&mut self, place: usize) {
        self.list[place].failures += 1;
    }

    /// One was used or lost.
    pub(super) fn taken(&mut self, place: usize) {
        let cell = &mut self.list[place];
        cell.count -= 1;
        cell.wanted = wanted_between_checks(&cell.config);
    }

    /// A container had to be started that a stem cell could have been.
    pub(super) fn cold_start(&mut self, shape: &Shape) {
        let same = |cell: &&mut StemCell| cell.shape.kind == shape.kind && cell.shape.memory == shape.memory;
        if let Some(cell) = self.list.iter_mut().find(same) {
            cell.cold_starts += 1;
        }
    }

    /// If a check is due: sizes the reactive ones anew, and tells for each how many may be removed that are older
    /// than its time to live.
    pub(super) fn check(&mut self, now: Instant) -> Vec<(usize, Duration, usize)> {
        if self.next_check.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.next_check = Some(now + self.check_interval);
        let mut budget = self.expiration_limit;
        let mut surplus = Vec::new();
        for (place, cell) in self.list.iter_mut().enumerate() {
            cell.failures = 0;
            let cold_starts = std::mem::take(&mut cell.cold_starts);
            if let Some(reactive) = &cell.config.reactive {
                cell.wanted = wanted_at_check(reactive, cold_starts);
                let above = (cell.count.saturating_sub(cell.wanted) as usize).min(budget);
                budget -= above;
                surplus.push((place, reactive.ttl, above));
            }
        }
        surplus
    }
}

impl StemCell {
    fn new(config: StemCellConfig, concurrent: bool) -> Self {
        let shape = Arc::new(Shape {
            kind: config.kind.clone(),
            image: config.image.clone(),
            user_provided_image: false,
            memory: config.memory,
            concurrent,
        });
        Self { wanted: config.initial_count, config, shape, count: 0, cold_starts: 0, failures: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_follows_the_cold_starts() {
        let reactive = ReactiveConfig {
            min_count: 1,
            max_count: 4,
            ttl: Duration::from_secs(120),
            threshold: 2,
            increment: 1,
        };
        for (cold_starts, wanted) in [(0, 1), (1, 1), (2, 1), (4, 2), (7, 3), (8, 4), (100, 4)] {
            assert_eq!(wanted_at_check(&reactive, cold_starts), wanted, "{cold_starts}");
        }
        let steep = ReactiveConfig { increment: 3, ..reactive };
        assert_eq!((wanted_at_check(&steep, 2), wanted_at_check(&steep, 4)), (3, 4));
    }
}
