//! Whether activations come one at a time.

use std::sync::atomic::{AtomicU32, Ordering};

/// Activations that have to come one at a time before that is believed. With several clients, too, one activation is
/// often the only one for a moment.
const BELIEVED_FROM: u32 = 16;

/// Counts activations in a row that were the only one when they began to wait for their answer.
#[derive(Debug, Default)]
pub(super) struct Alone(AtomicU32);

impl Alone {
    /// One of `running` activations begins to wait: whether it and those before it came one at a time. Two that ask at
    /// once may lose a count, which only puts the answer off.
    pub(super) fn is_usual(&self, running: usize) -> bool {
        if running > 1 {
            self.0.store(0, Ordering::Relaxed);
            return false;
        }
        let before = self.0.load(Ordering::Relaxed);
        if before == BELIEVED_FROM {
            return true;
        }
        self.0.store(before + 1, Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_company_is_enough_to_begin_anew() {
        let alone = Alone::default();
        for _ in 0..2 {
            for _ in 0..BELIEVED_FROM {
                assert!(!alone.is_usual(1));
            }
            assert!(alone.is_usual(1) && alone.is_usual(1));
            assert!(!alone.is_usual(2));
        }
    }
}
