//! How a proxy serves, from a configuration.
//!
//! | key | default | |
//! |---|---|---|
//! | `oxwhisk.cache.key-expiry` | 1 hour | of keys that are written without one |
//! | `oxwhisk.cache.max-key-expiry` | 7 days | of all keys; a later one is cut |
//! | `oxwhisk.cache.quota.bytes`, `.keys` | 256 MB, 1,000,000 | of a namespace, in each tier |
//! | `oxwhisk.cache.quota.value-bytes` | 16 MB | of one value |
//! | `oxwhisk.cache.quota.operations-per-second`, `.connections` | none, 1,000 | of a namespace, at each proxy |
//! | `oxwhisk.cache.when-full` | `evict` | or `refuse` |
//! | `oxwhisk.cache.max-connections` | 10,000 | of all clients |

use std::time::Duration;

use oxwhisk_cache_tokens::Budget;
use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_core::size::ByteSize;

use crate::ProxyConfig;

const KEY_EXPIRY: &str = "oxwhisk.cache.key-expiry";
const MAX_KEY_EXPIRY: &str = "oxwhisk.cache.max-key-expiry";
const MAX_CONNECTIONS: &str = "oxwhisk.cache.max-connections";
/// Redis counts expiries in seconds, and so do we.
const SHORTEST_EXPIRY: Duration = Duration::from_secs(1);
const LONGEST_EXPIRY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What becomes of a namespace that has more than it may.
enum WhenFull {
    Evict,
    Refuse,
}

impl Setting for WhenFull {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "evict" => Ok(Self::Evict),
            "refuse" => Ok(Self::Refuse),
            _ => Err(format!("'{text}' is neither 'evict' nor 'refuse'")),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(match self {
            Self::Evict => "evict",
            Self::Refuse => "refuse",
        })
    }
}

/// Reads the keys; faults go to the settings.
pub fn read(settings: &mut Settings) -> ProxyConfig {
    let default = ProxyConfig::default();
    let key_expiry = settings.value(KEY_EXPIRY, default.key_expiry);
    if !(SHORTEST_EXPIRY..=LONGEST_EXPIRY).contains(&key_expiry) {
        settings.fault(KEY_EXPIRY, "must be from 1 second to 30 days");
    }
    let max_key_expiry = settings.value(MAX_KEY_EXPIRY, default.max_key_expiry);
    if max_key_expiry < key_expiry {
        settings.fault(MAX_KEY_EXPIRY, format!("must not be shorter than {KEY_EXPIRY}"));
    }
    let when_full = settings.value("oxwhisk.cache.when-full", WhenFull::Evict);
    let max_connections =
        settings.value(MAX_CONNECTIONS, u32::try_from(default.max_connections).unwrap_or(u32::MAX));
    if max_connections == 0 {
        settings.fault(MAX_CONNECTIONS, "must be at least 1");
    }
    let refuse_when_full = matches!(when_full, WhenFull::Refuse);
    let budget = Budget { refuse_when_full, ..read_budget(settings, default.budget) };
    ProxyConfig {
        key_expiry,
        max_key_expiry,
        budget,
        // A value has to go into one request.
        max_request: default
            .max_request
            .max(usize::try_from(budget.value_bytes).unwrap_or(usize::MAX).saturating_add(1 << 20)),
        max_connections: usize::try_from(max_connections).unwrap_or(usize::MAX),
        ..default
    }
}

fn read_budget(settings: &mut Settings, default: Budget) -> Budget {
    let mut size = |name: &str, default: u64| {
        settings.value(&format!("oxwhisk.cache.quota.{name}"), ByteSize::bytes(default)).as_bytes()
    };
    let (bytes, value_bytes) = (size("bytes", default.bytes), size("value-bytes", default.value_bytes));
    let mut number = |name: &str| settings.optional::<u64>(&format!("oxwhisk.cache.quota.{name}"));
    Budget {
        bytes,
        value_bytes: value_bytes.min(512 << 20),
        keys: number("keys").unwrap_or(default.keys),
        operations_per_second: number("operations-per-second").unwrap_or(default.operations_per_second),
        connections: number("connections").unwrap_or(default.connections),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_config::Layers;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<ProxyConfig, String> {
        let mut layers = Layers::new(&[]);
        layers.add_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let mut settings = layers.into_settings();
        let config = read(&mut settings);
        settings.finish().map(|_| config).map_err(|faults| faults.to_string())
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(load(&[]).unwrap(), ProxyConfig::default());
    }

    #[test]
    fn what_is_said_counts_and_what_cannot_be_is_named() {
        let config = load(&[
            ("CONFIG_oxwhisk_cache_keyExpiry", "10 minutes"),
            ("CONFIG_oxwhisk_cache_quota_bytes", "1 MB"),
            ("CONFIG_oxwhisk_cache_quota_valueBytes", "100 MB"),
            ("CONFIG_oxwhisk_cache_quota_operationsPerSecond", "7"),
            ("CONFIG_oxwhisk_cache_whenFull", "refuse"),
        ])
        .unwrap();
        assert_eq!(config.key_expiry, Duration::from_secs(600));
        assert_eq!((config.budget.bytes, config.budget.operations_per_second), (1 << 20, 7));
        assert!(config.max_request > 100 << 20 && config.budget.refuse_when_full);
        let faults = load(&[
            ("CONFIG_oxwhisk_cache_keyExpiry", "0 seconds"),
            ("CONFIG_oxwhisk_cache_whenFull", "explode"),
            ("CONFIG_oxwhisk_cache_maxConnections", "0"),
        ])
        .unwrap_err();
        for key in ["keyExpiry", "whenFull", "maxConnections"] {
            assert!(faults.contains(key), "{key} is not in {faults}");
        }
    }
}
