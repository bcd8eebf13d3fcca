//! What came out.

/// How one job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub job: usize,
    /// Microseconds from its arrival until an invoker took it; `None` if it was refused.
    pub waited: Option<u64>,
    pub warm: bool,
    pub invoker: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub done: usize,
    pub refused: usize,
    pub lost: usize,
    /// Of those done, how many met a warm container.
    pub warm: usize,
    /// Microseconds, sorted.
    pub waited: Vec<u64>,
    /// Megabyte-seconds of work by invoker.
    pub work: Vec<f64>,
    /// Messages between controllers and invokers, reports left out.
    pub messages: u64,
    /// Most megabytes that were at work at once, in the whole fleet.
    pub peak_busy: u64,
    /// Microseconds of the simulation at which the last job ended.
    pub ended_at: u64,
}

impl Summary {
    /// Microseconds below which this share of all waits lies.
    #[must_use]
    pub fn percentile(&self, share: f64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list of waits"
        )]
        let place = ((self.waited.len() as f64 * share) as usize).min(self.waited.len().saturating_sub(1));
        self.waited.get(place).copied().unwrap_or(0)
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of far fewer than 2^52 jobs")]
    pub fn warm_share(&self) -> f64 {
        self.warm as f64 / self.done.max(1) as f64
    }

    /// Standard deviation of the invokers' work by its mean.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 invokers")]
    pub fn imbalance(&self) -> f64 {
        let count = self.work.len().max(1) as f64;
        let mean = self.work.iter().sum::<f64>() / count;
        let variance = self.work.iter().map(|work| (work - mean).powi(2)).sum::<f64>() / count;
        if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
    }
}
