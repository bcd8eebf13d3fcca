//! How long to leave a server alone that cannot be reached.

use std::time::Duration;

/// Doubles from the first pause to the longest. Each pause is cut by up to a half at random, so that many clients of one
/// server do not come back all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// The pause after so many failures in a row, at least one; `random` is from 0 to 1.
    #[must_use]
    pub fn pause(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
        let pauses: Vec<u128> = (1..=6).map(|failures| backoff.pause(failures, 0.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    }

    proptest! {
        #[test]
        fn a_pause_is_between_half_and_whole(failures in 1..u32::MAX, random in 0.0..1.0_f64) {
            let backoff = Backoff::default();
            let (pause, whole) = (backoff.pause(failures, random), backoff.pause(failures, 0.0));
            prop_assert!(pause <= whole && pause >= whole / 2 && whole <= backoff.longest);
        }
    }
}
