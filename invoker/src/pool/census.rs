//! The containers by what they are doing, for metrics.

use super::Pool;
use super::entry::Phase;

/// How many containers there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Ordered, or being given their code.
    pub(crate) starting: usize,
    /// Without code, and nobody's.
    pub(crate) prewarmed: usize,
    pub(crate) busy: usize,
    pub(crate) idle: usize,
    /// Idle, and frozen.
    pub(crate) suspended: usize,
    pub(crate) removing: usize,
}

impl<H, W> Pool<H, W> {
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for (_, entry) in &self.entries {
            let sort = match entry.phase {
                Phase::Starting | Phase::Initialising => &mut census.starting,
                Phase::Prewarmed => &mut census.prewarmed,
                Phase::Warm if entry.active > 0 => &mut census.busy,
                Phase::Warm if entry.suspended => &mut census.suspended,
                Phase::Warm => &mut census.idle,
                Phase::Removing => &mut census.removing,
            };
            *sort += 1;
        }
        census
    }
}
