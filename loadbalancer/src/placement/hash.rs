//! OpenWhisk's placement: a home invoker by hash, then steps.

use super::steps::generation_hash;
use super::{Candidates, Placement, PlacementRequest, PoolView};

/// Home invoker by `hash(namespace) xor hash(action)`, then steps of a size coprime to the number of invokers, so that an
/// action's calls meet the same warm containers (OpenWhisk's `ShardingContainerPoolBalancer`). Where OpenWhisk, with
/// nobody left to try, overloads an invoker at random, the work here waits for an offer.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashPlacement;

impl Placement for HashPlacement {
    fn place(&self, pool: PoolView<'_>, request: &PlacementRequest<'_>) -> Candidates {
        Candidates::collect(pool.invokers, request, pool.steps.walk(generation_hash(request)))
    }
}
