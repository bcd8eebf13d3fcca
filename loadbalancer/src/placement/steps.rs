//! OpenWhisk's walk over a pool: a home by hash, then steps that visit every invoker once.

use std::fmt::{self, Write};

use super::PlacementRequest;

/// Numbers from 1 to a pool's size that are coprime to it and to each other, chosen greedily. Computed once for each
/// size: it takes as long as the pool is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSizes {
    count: usize,
    steps: Vec<usize>,
}

impl StepSizes {
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut steps: Vec<usize> = Vec::new();
        for candidate in 1..=count {
            if gcd(candidate, count) == 1 && steps.iter().all(|step| gcd(candidate, *step) == 1) {
                steps.push(candidate);
            }
        }
        Self { count, steps }
    }

    #[must_use]
    pub fn as_slice(&self) -> &[usize] {
        &self.steps
    }

    /// Every index below the pool's size once, home first.
    pub fn walk(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let (count, hash) = (self.count, hash as usize);
        let home = hash.checked_rem(count).unwrap_or(0);
        let step = hash.checked_rem(self.steps.len()).map_or(1, |place| self.steps[place]);
        (0..count).map(move |probe| (home + probe * step) % count)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `abs(hash(namespace) xor hash(action))`. OpenWhisk's `abs` leaves the smallest integer negative, which made its index
/// fail; here it is 2^31.
pub(super) fn generation_hash(request: &PlacementRequest<'_>) -> u32 {
    let mut action = JavaHash::default();
    // Writing into a number cannot fail.
    let _ = write!(action, "{}", request.action);
    (JavaHash::of(request.namespace.as_str()).0 ^ action.0).unsigned_abs()
}

/// `String.hashCode` of Java, so that placement is that of an existing deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct JavaHash(pub(super) i32);

impl JavaHash {
    pub(super) fn of(text: &str) -> Self {
        let next = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
        Self(text.encode_utf16().fold(0, next))
    }
}

impl fmt::Write for JavaHash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let next = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
        self.0 = text.encode_utf16().fold(self.0, next);
        Ok(())
    }
}
