//! The limits themselves, and what a client is told that breaks one.

use crate::SMALL;

/// What a namespace may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub per_minute: u64,
    /// Activations at once; `None` where there is no such limit.
    pub concurrent: Option<u64>,
}

/// Why a request is refused, with OpenWhisk's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("Too many requests in the last minute (count: {count}, allowed: {allowed}).")]
    Rate { count: u64, allowed: u64 },
    #[error("Too many concurrent requests in flight (count: {count}, allowed: {allowed}).")]
    Concurrency { count: u64, allowed: u64 },
}

/// Milliseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000;

/// What one process alone counts of an account, where there is no cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of the wall-clock minute that `requests` counts.
    minute: i64,
    /// Requests in it, refused ones too.
    requests: u64,
    in_flight: u64,
}

impl Usage {
    /// The wall-clock minute of a time in milliseconds since the epoch.
    #[must_use]
    pub const fn minute_of(now: i64) -> i64 {
        now.div_euclid(MINUTE)
    }

    /// Counts a request at `now` (milliseconds since the epoch), and takes a slot for it if there is a limit on them.
    ///
    /// # Errors
    /// The first limit that it breaks. A request that is refused for its concurrency counts in its minute all the same.
    pub fn admit(&mut self, limits: Limits, now: i64) -> Result<(), Violation> {
        let minute = Self::minute_of(now);
        if self.minute != minute {
            *self = Self { minute, requests: 0, ..*self };
        }
        self.requests += 1;
        if self.requests > limits.per_minute {
            return Err(Violation::Rate { count: self.requests, allowed: limits.per_minute });
        }
        if let Some(allowed) = limits.concurrent {
            if self.in_flight >= allowed {
                return Err(Violation::Concurrency { count: self.in_flight, allowed });
            }
            self.in_flight += 1;
        }
        Ok(())
    }

    /// Takes a slot whatever the limit is.
    pub fn take(&mut self) {
        self.in_flight += 1;
    }

    pub fn release(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Nothing is in flight and nothing was asked for in this minute.
    #[must_use]
    pub const fn is_idle(&self, minute: i64) -> bool {
        self.in_flight == 0 && self.minute != minute
    }
}

/// How much more than is needed a client asks for, so that `members` of them leave at most 5 % of the limit unused: each has
/// at most one and a half times this. Zero decides one by one.
pub(crate) fn chunk(limit: u64, members: usize) -> u64 {
    let members = u64::try_from(members).unwrap_or(u64::MAX).max(1);
    if limit < SMALL { 0 } else { limit / 40 / members }
}
