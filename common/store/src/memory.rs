//! Stores in memory, for tests: plain, and quick enough for those.

mod activation;
mod attachment;
mod entity;
mod subject;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use activation::MemoryActivationStore;
pub use attachment::MemoryAttachmentStore;
pub use entity::MemoryEntityStore;
pub use subject::MemorySubjectStore;

/// A panic in one test thread is that test's failure, not a reason for others to fail as well.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A list's window.
fn window<T>(items: impl Iterator<Item = T>, skip: u64, limit: Option<u64>) -> Vec<T> {
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    items.skip(size(skip)).take(limit.map_or(usize::MAX, size)).collect()
}
