//! What a proxy is told.

use std::time::Duration;

use oxwhisk_cache_tokens::Budget;

/// How a proxy serves. Durations are counted by its own steady clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Every key that is written without an expiry gets this one.
    pub key_expiry: Duration,
    /// What a namespace may use that has nothing of its own said.
    pub budget: Budget,
    /// Writes of a namespace that has more than it may are refused; else it loses its own oldest keys.
    pub refuse_when_full: bool,
    /// Connections of everybody.
    pub max_connections: usize,
    /// A connection that has shown no token that is worth something is closed after this.
    pub login_timeout: Duration,
    /// Nobody waits longer for a client to take what it is sent.
    pub write_timeout: Duration,
    /// Bytes of one request.
    pub max_request: usize,
    /// Bytes of replies that clients have not taken, and of requests that are not all there, of all clients together.
    pub max_held: u64,
    /// How long a token outlives its activation's time limit, if nobody revokes it.
    pub token_slack: Duration,
    /// Connections to the server that clients have for themselves: transactions, commands that wait, subscriptions.
    pub max_private: usize,
    pub max_private_idle: usize,
    /// How long a client's first request may be on its way to be known in a burst: the thread looks for more work so long before
    /// it sleeps.
    pub spin: Duration,
    /// What is known of a scope or a namespace that nobody uses is forgotten after this.
    pub forget_after: Duration,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            key_expiry: Duration::from_secs(60 * 60),
            budget: Budget {
                bytes: 256 << 20,
                keys: 1_000_000,
                value_bytes: 16 << 20,
                operations_per_second: u64::MAX,
                connections: 1000,
            },
            refuse_when_full: false,
            max_connections: 10_000,
            login_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            max_request: 32 << 20,
            max_held: 256 << 20,
            token_slack: Duration::from_secs(1),
            max_private: 1000,
            max_private_idle: 8,
            spin: Duration::from_micros(50),
            forget_after: Duration::from_secs(600),
        }
    }
}
