//! Managed runtimes and images of users' own have parts of the fleet, so that slow pulls do not hold the others up.

use std::ops::Range;

/// `whisk.loadbalancer.managed-fraction` and `blackbox-fraction`, each from 0 to 1; beyond that they count as the bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolFractions {
    pub managed: f64,
    pub blackbox: f64,
}

impl Default for PoolFractions {
    fn default() -> Self {
        Self { managed: 0.9, blackbox: 0.1 }
    }
}

impl PoolFractions {
    /// The part of `count` invokers that serves managed runtimes (the first ones) or users' images (the last ones). Each
    /// has at least one invoker, so they overlap when there are few.
    #[must_use]
    pub fn part(self, count: usize, blackbox: bool) -> Range<usize> {
        if blackbox { count - self.blackbox_size(count)..count } else { 0..self.managed_size(count) }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "OpenWhisk rounds in floating point, and a fleet has far fewer than 2^52 invokers"
    )]
    fn managed_size(self, count: usize) -> usize {
        ((count as f64 * self.managed.clamp(0.0, 1.0)).ceil() as usize).max(1).min(count)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "OpenWhisk rounds in floating point, and a fleet has far fewer than 2^52 invokers"
    )]
    fn blackbox_size(self, count: usize) -> usize {
        let rest = 1.0 - self.managed.clamp(0.0, 1.0);
        let fraction = rest.max(self.blackbox.clamp(0.0, 1.0));
        ((count as f64 * fraction).floor() as usize).max(1).min(count)
    }
}
