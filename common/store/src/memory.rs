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

use crate::contents::{id_of_row, primary_row, refuse_views};
use crate::{ContentsQuery, StoreError};

/// A panic in one test thread is that test's failure, not a reason for others to fail as well.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A list's window.
fn window<T>(items: impl Iterator<Item = T>, skip: u64, limit: Option<u64>) -> Vec<T> {
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    items.skip(size(skip)).take(limit.map_or(usize::MAX, size)).collect()
}

/// One page of the primary index, of documents that come with their ids and, where they have one, their revisions.
fn page(
    query: &ContentsQuery,
    documents: impl Iterator<Item = (String, Option<String>, String)>,
) -> Result<Vec<String>, StoreError> {
    refuse_views(query)?;
    let after = query.after.as_deref().map(id_of_row).transpose()?;
    let mut behind: Vec<_> =
        documents.filter(|(id, ..)| after.as_ref().is_none_or(|after| id > after)).collect();
    behind.sort();
    let row = |(id, revision, document): (String, Option<String>, String)| {
        primary_row(&id, revision.as_deref(), query.documents.then_some(&document))
    };
    window(behind.into_iter(), 0, Some(query.limit)).into_iter().map(row).collect()
}
