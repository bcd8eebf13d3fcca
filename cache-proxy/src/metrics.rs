//! What a scrape of a proxy shows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oxwhisk_metrics::{Page, Source};

use crate::{Control, Counts, Proxy};

/// Looks at a proxy, also when it has ended.
#[derive(Clone, Debug)]
pub struct ProxySource {
    control: Arc<Control>,
    counts: Arc<Counts>,
}

impl ProxySource {
    #[must_use]
    pub fn new(proxy: &Proxy) -> Self {
        Self { control: Arc::clone(proxy.control()), counts: Arc::clone(proxy.counts()) }
    }
}

impl Source for ProxySource {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = &self.counts;
        let commands: u64 = self.control.accounts().iter().map(|account| account.commands()).sum();
        let tokens = i64::try_from(self.control.tokens()).unwrap_or(i64::MAX);
        page.gauge("oxwhisk_cache_tokens", "Tokens that are alive.", tokens)?;
        page.gauge("oxwhisk_cache_connections", "Connections of clients.", now(&counts.connections))?;
        page.gauge("oxwhisk_cache_held_bytes", "Replies that clients have not taken.", now(&counts.held))?;
        for (name, help, count) in [
            (
                "oxwhisk_cache_connections_accepted",
                "Connections of clients so far.",
                &counts.connections_accepted,
            ),
            (
                "oxwhisk_cache_connections_refused",
                "Connections for which there was no place.",
                &counts.connections_refused,
            ),
            ("oxwhisk_cache_logins_refused", "Tokens that were worth nothing.", &counts.refused_logins),
            ("oxwhisk_cache_tokens_issued", "Tokens so far.", &counts.tokens_issued),
            (
                "oxwhisk_cache_tokens_revoked",
                "Activations with a token that have ended.",
                &counts.tokens_revoked,
            ),
            ("oxwhisk_cache_keys_evicted", "Keys of namespaces that had too much.", &counts.keys_evicted),
            (
                "oxwhisk_cache_keys_given_an_expiry",
                "Keys without an expiry, or a late one.",
                &counts.keys_given_an_expiry,
            ),
            ("oxwhisk_cache_keys_flushed", "Keys of scopes that were flushed.", &counts.keys_flushed),
        ] {
            page.counter(name, help, count.load(Ordering::Relaxed))?;
        }
        page.counter("oxwhisk_cache_commands", "Commands of namespaces that are known.", commands)
    }
}

fn now(count: &AtomicU64) -> i64 {
    i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
}
