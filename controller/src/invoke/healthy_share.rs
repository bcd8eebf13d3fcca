//! How many invokers have to be healthy (`whisk.controller.readiness-fraction`, `oxwhisk.invokers.ready-fraction`).

use std::fmt;

use super::InvokerState;

/// The share of the known invokers that has to be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthyShare {
    /// Whole numbers, since two thirds of three must not fail by a rounding.
    ten_thousandths: u16,
}

/// Healthy invokers, and all that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvokerCount {
    pub healthy: usize,
    pub known: usize,
}

const WHOLE: u16 = 10_000;

impl HealthyShare {
    /// OpenWhisk's default.
    pub const ALL: Self = Self { ten_thousandths: WHOLE };

    /// From a part of one; `None` for what is none. Exact to a hundredth of a percent.
    #[must_use]
    pub fn new(part: f64) -> Option<Self> {
        let rounded = (part * f64::from(WHOLE)).round();
        // Within the bounds of the number, which the range makes sure of.
        (0.0..=1.0).contains(&part).then_some(Self { ten_thousandths: rounded as u16 })
    }

    /// Whether enough are healthy. Where no invoker is known nothing can run, so none is not enough, even of none. As
    /// OpenWhisk means it: its own division of whole numbers makes every share but all into none.
    #[must_use]
    pub fn is_reached(self, count: InvokerCount) -> bool {
        let wanted = count.known.saturating_mul(self.ten_thousandths.into());
        count.known > 0 && count.healthy.saturating_mul(WHOLE.into()) >= wanted
    }
}

impl fmt::Display for HealthyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.ten_thousandths) / 100.0)
    }
}

impl InvokerCount {
    #[must_use]
    pub fn of(invokers: &[InvokerState]) -> Self {
        Self { healthy: invokers.iter().filter(|invoker| invoker.is_up()).count(), known: invokers.len() }
    }
}

impl fmt::Display for InvokerCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.healthy, self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_at_its_bound_and_above() {
        for (part, healthy, known, reached) in [
            (1.0, 2, 2, true),
            (1.0, 1, 2, false),
            (0.5, 1, 2, true),
            (0.5, 1, 3, false),
            (0.66, 2, 3, true),
            (0.67, 2, 3, false),
            (0.55, 55, 100, true),
            (0.55, 54, 100, false),
            (0.07, 7, 100, true),
            (0.0, 0, 2, true),
            (0.0, 0, 0, false),
            (1.0, 0, 0, false),
        ] {
            let share = HealthyShare::new(part).unwrap();
            assert_eq!(
                share.is_reached(InvokerCount { healthy, known }),
                reached,
                "{part} of {known}: {healthy}"
            );
        }
        assert!([-0.1, 1.1, f64::NAN].iter().all(|part| HealthyShare::new(*part).is_none()));
        assert_eq!(HealthyShare::new(1.0), Some(HealthyShare::ALL));
        assert_eq!(HealthyShare::new(0.666).unwrap().to_string(), "66.6%");
    }

    #[test]
    fn only_those_that_are_up_count() {
        let states = ["up", "down", "unhealthy", "unresponsive", "up"];
        let invokers = states.map(|state| InvokerState { name: String::new(), state });
        assert_eq!(InvokerCount::of(&invokers).to_string(), "2/5");
    }
}
