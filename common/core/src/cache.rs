//! What an activation may have of the cache.

/// Whose keys it shares. Always within the namespace that invokes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheScope {
    /// Those of the same action.
    #[default]
    Action,
    /// Those of all actions of its package.
    Package,
    /// Those of all actions.
    Namespace,
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
