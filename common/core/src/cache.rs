//! What an activation may have of the cache: what its action's author asks for with the annotation `cache`, and what its
//! namespace gives.

mod annotation;
mod decision;
mod default;

pub use annotation::{CacheAnnotation, CacheWish};
pub use decision::{CacheTerms, CacheUse, CodeOwner};
pub use default::{CacheDefault, CacheDefaultError};

/// The annotation of a record that says why its activation, which was to have the cache, had none.
pub const CACHE_ERROR: &str = "cacheError";

/// Whose keys it shares. Always within the namespace that invokes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CacheScope {
    /// Those of the same action.
    #[default]
    Action,
    /// Those of all actions of its package; what a namespace has outside packages counts as one.
    Package,
    /// Those of all actions.
    Namespace,
}

impl CacheScope {
    pub(crate) const ALL: [Self; 3] = [Self::Action, Self::Package, Self::Namespace];

    /// As annotations, limits and settings name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Package => "package",
            Self::Namespace => "namespace",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Where the keys are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheTier {
    /// Beside the invoker that runs it.
    #[default]
    Local,
    /// One place for all invokers.
    Global,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CacheRights {
    Read,
    /// To read, too.
    #[default]
    Write,
}

/// What a namespace may take of a cache at most; `None` is the cache's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CacheBudget {
    /// Bytes that its keys may take in the server's memory, by tier.
    pub bytes: Option<u64>,
    pub keys: Option<u64>,
    /// Bytes of one value.
    pub value_bytes: Option<u64>,
    /// Commands a second.
    pub operations_per_second: Option<u64>,
    pub connections: Option<u64>,
    /// Whether writes are refused where it has more than it may; else it loses its own oldest keys.
    pub refuse_when_full: Option<bool>,
}

/// What one activation may have, as its controller decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CacheGrant {
    pub scope: CacheScope,
    /// The one that a connection begins with.
    pub tier: CacheTier,
    pub rights: CacheRights,
    pub budget: CacheBudget,
}
