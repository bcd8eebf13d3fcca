//! Which idle container goes first when room is needed, and when one goes without need.

use std::fmt;
use std::time::Duration;

/// The policies an operator can choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepAlive {
    /// Least recently used first, and nothing idles longer than the idle timeout: as OpenWhisk.
    #[default]
    Lru,
    /// Greedy-dual as in FaasCache: containers that are used often, slow to start and small stay longest. They do not
    /// expire, since an idle container costs nothing until its memory is wanted.
    GreedyDual,
}

impl KeepAlive {
    pub(crate) fn policy(self, idle_timeout: Duration) -> Box<dyn KeepAlivePolicy> {
        match self {
            Self::Lru => Box::new(Lru { idle_timeout }),
            Self::GreedyDual => Box::new(GreedyDual { clock: 0.0 }),
        }
    }
}

/// What a policy knows of a container that became idle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdleContainer {
    /// Grows with each container that becomes idle.
    pub sequence: u64,
    /// Activations of its action on this invoker, for as long as it has containers here.
    pub frequency: u64,
    /// Time it took to start and initialise it.
    pub startup: Duration,
    /// Megabytes.
    pub memory: u64,
}

/// Decides over idle containers. Called under the pool's lock: no I/O, no waiting.
pub trait KeepAlivePolicy: fmt::Debug + Send + 'static {
    /// Rank of a container that becomes idle; the lowest is evicted first.
    fn rank(&mut self, container: &IdleContainer) -> f64;

    /// A container of this rank was evicted to make room.
    fn evicted(&mut self, rank: f64);

    /// How long a container may idle; `None` is for ever.
    fn expires_after(&self) -> Option<Duration>;
}

#[derive(Debug)]
struct Lru {
    idle_timeout: Duration,
}

impl KeepAlivePolicy for Lru {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 activations")]
    fn rank(&mut self, container: &IdleContainer) -> f64 {
        container.sequence as f64
    }

    fn evicted(&mut self, _rank: f64) {}

    fn expires_after(&self) -> Option<Duration> {
        Some(self.idle_timeout)
    }
}

/// The clock is the rank of the last one evicted, so that what was popular long ago ages against what is used now.
#[derive(Debug)]
struct GreedyDual {
    clock: f64,
}

impl KeepAlivePolicy for GreedyDual {
    #[expect(clippy::cast_precision_loss, reason = "a rank needs no more precision")]
    fn rank(&mut self, container: &IdleContainer) -> f64 {
        let worth = container.frequency as f64 * container.startup.as_secs_f64();
        self.clock + worth / container.memory.max(1) as f64
    }

    fn evicted(&mut self, rank: f64) {
        self.clock = self.clock.max(rank);
    }

    fn expires_after(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(sequence: u64, frequency: u64, startup: u64, memory: u64) -> IdleContainer {
        IdleContainer { sequence, frequency, startup: Duration::from_millis(startup), memory }
    }

    #[test]
    fn lru_ranks_by_last_use() {
        let mut policy = KeepAlive::Lru.policy(Duration::from_secs(600));
        assert!(policy.rank(&idle(1, 900, 9000, 1)) < policy.rank(&idle(2, 1, 1, 512)));
        assert_eq!(policy.expires_after(), Some(Duration::from_secs(600)));
    }

    #[test]
    fn greedy_dual_keeps_what_is_dear_and_ages_the_rest() {
        let mut policy = KeepAlive::GreedyDual.policy(Duration::from_secs(600));
        let base = policy.rank(&idle(1, 10, 100, 256));
        assert!(policy.rank(&idle(1, 20, 100, 256)) > base, "used more often");
        assert!(policy.rank(&idle(1, 10, 200, 256)) > base, "slower to start");
        assert!(policy.rank(&idle(1, 10, 100, 512)) < base, "larger");
        policy.evicted(base);
        assert!(policy.rank(&idle(2, 1, 1, 512)) > base, "newcomers outrank what was evicted");
        assert_eq!(policy.expires_after(), None);
    }
}
