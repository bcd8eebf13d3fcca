//! The invokers with most free memory.

use super::steps::generation_hash;
use super::{Candidates, PROBES, Placement, PlacementRequest, PoolView};

/// Spreads memory evenly and looks at every invoker for that. Of equally free ones the action's home comes first. It
/// ignores where the action is warm: a measure for other policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastLoaded;

impl Placement for LeastLoaded {
    fn place(&self, pool: PoolView<'_>, request: &PlacementRequest<'_>) -> Candidates {
        // The best few, best first.
        let mut best = [0; PROBES];
        let mut count = 0;
        for index in pool.steps.walk(generation_hash(request)) {
            let invoker = &pool.invokers[index];
            if !invoker.serves(request) {
                continue;
            }
            let free = |index: usize| pool.invokers[index].free_memory;
            let place = best[..count].iter().position(|other| free(*other) < free(index)).unwrap_or(count);
            if place < PROBES {
                count = (count + 1).min(PROBES);
                best.copy_within(place..count - 1, place + 1);
                best[place] = index;
            }
        }
        Candidates::collect(pool.invokers, request, best[..count].iter().copied())
    }
}
