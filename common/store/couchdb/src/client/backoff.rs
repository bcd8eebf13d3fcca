//! How long to pause between two attempts, and when to stop.

use std::time::Duration;

use crate::config::Retries;

#[derive(Debug)]
pub(crate) struct Backoff {
    retries: Retries,
    attempts: u32,
}

impl Backoff {
    /// Before the first attempt.
    pub(crate) const fn new(retries: Retries) -> Self {
        Self { retries, attempts: 0 }
    }

    /// After an attempt has failed: the pause before the next one, or `None` when that was the last. `chance` is from 0 to
    /// 1 and keeps those apart who failed at the same moment.
    pub(crate) fn next(&mut self, chance: f64) -> Option<Duration> {
        self.attempts += 1;
        if self.attempts >= self.retries.attempts {
            return None;
        }
        let doubled =
            self.retries.first_pause.saturating_mul(1_u32.checked_shl(self.attempts - 1).unwrap_or(u32::MAX));
        Some(doubled.min(self.retries.longest_pause).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
    }

    /// Failed attempts so far.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let retries = Retries {
            attempts: 5,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(300),
            ..Retries::default()
        };
        let mut backoff = Backoff::new(retries);
        let pauses: Vec<_> =
            std::iter::from_fn(|| backoff.next(1.0)).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [100, 200, 300, 300]);
        assert_eq!(backoff.attempts(), 5);
        assert_eq!(Backoff::new(retries).next(0.0), Some(Duration::from_millis(50)));
        assert_eq!(Backoff::new(Retries { attempts: 1, ..retries }).next(0.0), None);
    }
}
