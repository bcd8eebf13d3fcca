//! When a namespace has more queued than may stay in memory.

/// Bounds of one namespace in one controller's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkingLimits {
    /// With so many queued, more are parked.
    pub park_above: usize,
    /// With so few queued, parked ones come back. Less than `park_above`, so that one message does not go to and fro.
    pub resume_below: usize,
}

/// Whether a message of a namespace with `queued` messages goes to `activations.parked`. While some are parked, new ones
/// queue up behind them, or they would never have their turn.
#[must_use]
pub const fn is_surplus(limits: ParkingLimits, queued: usize, parked: usize) -> bool {
    queued >= limits.park_above || (parked > 0 && queued >= limits.resume_below)
}

/// Whether parked messages of a namespace with `queued` messages come back.
#[must_use]
pub const fn may_return(limits: ParkingLimits, queued: usize) -> bool {
    queued < limits.resume_below
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ParkingLimits = ParkingLimits { park_above: 10, resume_below: 4 };

    #[test]
    fn surplus_is_parked_and_comes_back_when_the_queue_is_short() {
        assert!(!is_surplus(LIMITS, 9, 0) && is_surplus(LIMITS, 10, 0));
        assert!(!is_surplus(LIMITS, 3, 100) && is_surplus(LIMITS, 4, 1));
        assert!(may_return(LIMITS, 3) && !may_return(LIMITS, 4));
    }

    #[test]
    fn what_may_return_is_not_parked_again() {
        let again = (0..20).filter(|queued| may_return(LIMITS, *queued) && is_surplus(LIMITS, *queued, 100));
        assert_eq!(again.count(), 0);
    }
}
