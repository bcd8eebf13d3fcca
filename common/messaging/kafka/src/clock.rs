//! Our time against that of brokers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks may differ by this much, in milliseconds: a mark on one broker may look older than its message on another.
pub(crate) const SKEW: i64 = 60_000;

/// Milliseconds since the epoch.
pub(crate) fn before_now(back: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(back).as_millis()).unwrap_or(i64::MAX)
}
