//! How the last activations of one invoker ended.

/// How many are remembered.
pub const REMEMBERED: usize = 10;
/// More bad ones than this among those remembered, and the invoker is not used.
pub const TOLERATED: usize = 3;

/// How an activation ended, as far as it says something about its invoker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The invoker did its part, whatever the action made of it.
    Success,
    /// The platform failed: no container, no code, no answer.
    SystemError,
    /// Nothing was heard of it in time.
    Timeout,
}

/// A ring of the last [`REMEMBERED`] outcomes.
#[derive(Clone, Debug, Default)]
pub(super) struct Results {
    ring: [Option<Outcome>; REMEMBERED],
    next: usize,
}

impl Results {
    pub(super) fn add(&mut self, outcome: Outcome) {
        self.ring[self.next] = Some(outcome);
        self.next = (self.next + 1) % REMEMBERED;
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.ring.iter().filter(|entry| **entry == Some(outcome)).count()
    }

    pub(super) fn len(&self) -> usize {
        self.ring.iter().flatten().count()
    }
}
