//! What a proxy counts, for whoever scrapes it.

use std::sync::atomic::AtomicU64;

use oxwhisk_core::cache::CacheTier;

/// All since the proxy began, but for those that say otherwise.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections now.
    pub connections: AtomicU64,
    pub connections_accepted: AtomicU64,
    /// Closed at once: there were too many.
    pub connections_refused: AtomicU64,
    pub refused_logins: AtomicU64,
    /// Bytes of replies that clients have not taken, and of requests that are not all there, now.
    pub held: AtomicU64,
    pub tokens_issued: AtomicU64,
    pub tokens_revoked: AtomicU64,
    /// Keys of namespaces that had more than they may.
    pub keys_evicted: AtomicU64,
    /// Keys that were found without an expiry, or with one that is too late.
    pub keys_given_an_expiry: AtomicU64,
    /// Keys of generations that were flushed.
    pub keys_flushed: AtomicU64,
    pub local: Passes,
    pub global: Passes,
}

impl Counts {
    #[must_use]
    pub const fn passes(&self, tier: CacheTier) -> &Passes {
        match tier {
            CacheTier::Local => &self.local,
            CacheTier::Global => &self.global,
        }
    }
}

/// Of the passes over one tier's keys that this proxy has made; but for their number, of the last one.
#[derive(Debug, Default)]
pub struct Passes {
    pub passes: AtomicU64,
    /// Whether this proxy is the one that sweeps this tier: 1 or 0.
    pub is_sweeper: AtomicU64,
    pub keys: AtomicU64,
    /// That are neither a scope's nor the cache's own. They are left alone.
    pub unknown_keys: AtomicU64,
    pub milliseconds: AtomicU64,
    /// Of those, how many the server was at work, as far as that can be told from here.
    pub busy_milliseconds: AtomicU64,
}
