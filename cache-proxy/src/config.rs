//! What a proxy is told.

use std::time::Duration;

use oxwhisk_cache_tokens::Budget;
use oxwhisk_core::cache::CacheTier;

/// How a proxy serves. Durations are counted by its own steady clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Every key that is written without an expiry gets this one.
    pub key_expiry: Duration,
    /// No key keeps a later one.
    pub max_key_expiry: Duration,
    /// What a namespace may use that has nothing of its own said.
    pub budget: Budget,
    /// Connections of everybody.
    pub max_connections: usize,
    /// Connections from one address that have shown no token that is worth something.
    pub max_strangers: usize,
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
    /// How long a thread looks for more after it was asked for something, before it sleeps; not on a machine with one processor.
    pub spin: Duration,
    /// What is known of a scope or a namespace that nobody uses is forgotten after this.
    pub forget_after: Duration,
    pub sweep: SweepConfig,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            key_expiry: Duration::from_secs(60 * 60),
            max_key_expiry: Duration::from_secs(7 * 24 * 60 * 60),
            budget: Budget {
                bytes: 256 << 20,
                keys: 1_000_000,
                value_bytes: 16 << 20,
                operations_per_second: u64::MAX,
                connections: 1000,
                refuse_when_full: false,
            },
            max_connections: 10_000,
            max_strangers: 128,
            login_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            max_request: 32 << 20,
            max_held: 256 << 20,
            token_slack: Duration::from_secs(1),
            max_private: 1000,
            max_private_idle: 8,
            spin: Duration::from_micros(50),
            forget_after: Duration::from_secs(600),
            sweep: SweepConfig::default(),
        }
    }
}

/// How a proxy looks at all keys of its servers, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepConfig {
    /// From the end of a pass over all keys to the next.
    pub pause: Duration,
    /// Of a server's time, how much a pass takes.
    pub percent: u32,
    /// The same where a pass would last too long otherwise, or the server's memory is nearly full.
    pub percent_at_most: u32,
    /// How long a pass should last at most.
    pub pass: Duration,
    /// The proxy that sweeps a server may be silent for so long until another one does.
    pub lease: Duration,
    /// How often proxies of one server tell each other what they know.
    pub exchange: Duration,
    /// Bytes that all keys of a tier may take together; without it as many as its server's `maxmemory` says.
    pub max_bytes_local: Option<u64>,
    pub max_bytes_global: Option<u64>,
}

impl Default for SweepConfig {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(3),
            percent: 10,
            percent_at_most: 30,
            pass: Duration::from_secs(45),
            lease: Duration::from_secs(10),
            exchange: Duration::from_secs(1),
            max_bytes_local: None,
            max_bytes_global: None,
        }
    }
}

impl SweepConfig {
    pub(crate) const fn max_bytes(&self, tier: CacheTier) -> Option<u64> {
        match tier {
            CacheTier::Local => self.max_bytes_local,
            CacheTier::Global => self.max_bytes_global,
        }
    }
}
