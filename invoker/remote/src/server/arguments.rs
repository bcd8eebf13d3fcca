//! Arguments that went ahead of their dispatch.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oxwhisk_core::id::ActivationId;

#[derive(Debug)]
pub(super) struct PutArguments {
    max: usize,
    timeout: Duration,
    put: Mutex<HashMap<ActivationId, (Instant, Bytes)>>,
}

impl PutArguments {
    /// At most `max` bytes in all, each kept for `timeout`.
    pub(super) fn new(max: usize, timeout: Duration) -> Self {
        Self { max, timeout, put: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ActivationId, (Instant, Bytes)>> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Keeps them, unless there are too many bytes already.
    pub(super) fn put(&self, id: ActivationId, arguments: Bytes, now: Instant) -> bool {
        let mut put = self.lock();
        put.retain(|_, (since, _)| now.saturating_duration_since(*since) < self.timeout);
        put.remove(&id);
        let held: usize = put.values().map(|(_, arguments)| arguments.len()).sum();
        let fits = held.saturating_add(arguments.len()) <= self.max;
        if fits {
            put.insert(id, (now, arguments));
        }
        fits
    }

    pub(super) fn take(&self, id: ActivationId) -> Option<Bytes> {
        self.lock().remove(&id).map(|(_, arguments)| arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_bounded_in_bytes_and_in_time() {
        let put = PutArguments::new(10, Duration::from_secs(60));
        let (one, two) = (ActivationId::generate(), ActivationId::generate());
        let begin = Instant::now();
        assert!(put.put(one, Bytes::from_static(b"123456"), begin));
        assert!(!put.put(two, Bytes::from_static(b"12345"), begin));
        // Once more is in place of, not besides.
        assert!(put.put(one, Bytes::from_static(b"1234567890"), begin));
        let later = begin + Duration::from_secs(60);
        assert!(put.put(two, Bytes::from_static(b"12345"), later));
        assert_eq!((put.take(one), put.take(two)), (None, Some(Bytes::from_static(b"12345"))));
        assert_eq!(put.take(two), None);
    }
}
