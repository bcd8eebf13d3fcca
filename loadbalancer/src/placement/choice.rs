//! Power of two choices, and choosing a policy by its name.

use std::cmp::Reverse;
use std::str::FromStr;

use super::{Candidates, HashPlacement, LeastLoaded, Placement, PlacementRequest, PoolView};

/// Two invokers by chance, the one with more free memory first (Mitzenmacher, "The power of two choices in randomized
/// load balancing", 2001), then a third. Like [`LeastLoaded`] it ignores where the action is warm, and costs no scan.
#[derive(Clone, Copy, Debug, Default)]
pub struct TwoChoices;

impl Placement for TwoChoices {
    fn place(&self, pool: PoolView<'_>, request: &PlacementRequest<'_>) -> Candidates {
        let mut chosen = Candidates::collect(pool.invokers, request, pool.steps.walk(mix(request.salt)));
        if let Some(pair) = chosen.with_room_mut().get_mut(..2) {
            pair.sort_by_key(|index| Reverse(pool.invokers[*index].free_memory));
        }
        chosen
    }
}

/// The upper half of splitmix64's output function: every bit of the salt reaches every bit of the result.
const fn mix(salt: u64) -> u32 {
    let a = (salt ^ (salt >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((b ^ (b >> 31)) >> 32) as u32
}

/// The policies that configuration can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyName {
    #[default]
    Hash,
    LeastLoaded,
    TwoChoices,
}

impl PolicyName {
    pub const ALL: [Self; 3] = [Self::Hash, Self::LeastLoaded, Self::TwoChoices];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::LeastLoaded => "least-loaded",
            Self::TwoChoices => "two-choices",
        }
    }

    #[must_use]
    pub fn policy(self) -> Box<dyn Placement> {
        match self {
            Self::Hash => Box::new(HashPlacement),
            Self::LeastLoaded => Box::new(LeastLoaded),
            Self::TwoChoices => Box::new(TwoChoices),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a placement policy; there are hash, least-loaded and two-choices")]
pub struct UnknownPolicy(String);

impl FromStr for PolicyName {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| UnknownPolicy(text.to_owned()))
    }
}
