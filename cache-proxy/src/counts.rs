//! What a proxy counts, for whoever scrapes it.

use std::sync::atomic::AtomicU64;

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
}
