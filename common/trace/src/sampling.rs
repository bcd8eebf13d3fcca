//! Which traces are recorded.

/// The share of new traces that is recorded, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRate(f64);

impl SampleRate {
    pub const ALL: Self = Self(1.0);
    pub const NONE: Self = Self(0.0);

    /// `None` for what is no share.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }

    /// Whether a trace is recorded, given a random number below 1.
    pub(crate) fn takes(self, random: f64) -> bool {
        random < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_from_none_to_all() {
        assert!(SampleRate::new(-0.1).is_none() && SampleRate::new(1.1).is_none());
        assert!(SampleRate::new(f64::NAN).is_none());
        let half = SampleRate::new(0.5).unwrap();
        assert!(half.takes(0.49) && !half.takes(0.5));
        assert!(SampleRate::ALL.takes(0.999_999) && !SampleRate::NONE.takes(0.0));
    }
}
