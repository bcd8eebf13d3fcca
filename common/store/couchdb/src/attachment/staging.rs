//! Code that waits for its document.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use oxwhisk_core::json::raw;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_store::{StoreError, Superseded};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::name;

/// A document follows its code within moments; code whose writer has gone is dropped after this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Code by document and name, in the order in which it came.
#[derive(Debug)]
pub(crate) struct Staging {
    waiting: Mutex<Vec<Waiting>>,
    max_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    document: FullyQualifiedName,
    staged: Staged,
    since: Instant,
}

#[derive(Clone, Debug)]
pub(crate) struct Staged {
    name: String,
    content_type: String,
    pub(crate) bytes: Bytes,
}

impl Staged {
    /// The `_attachments` that write it beside its document.
    pub(crate) fn as_member(&self, beside: &str) -> Box<RawValue> {
        let data = STANDARD.encode(&self.bytes);
        raw(&json!({ beside: { "content_type": self.content_type, "data": data } }))
    }
}

impl Staging {
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self { waiting: Mutex::new(Vec::new()), max_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name under which it is found.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when too much is waiting.
    pub(super) fn put(
        &self,
        document: &FullyQualifiedName,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<String, StoreError> {
        let (mut waiting, now) = (self.lock(), Instant::now());
        waiting.retain(|entry| now.duration_since(entry.since) < LONGEST_WAIT);
        let held: usize = waiting.iter().map(|entry| entry.staged.bytes.len()).sum();
        if held + bytes.len() > self.max_bytes {
            let full =
                format!("{held} bytes of code wait for their documents, and {} is the limit", self.max_bytes);
            return Err(StoreError::Unavailable(full));
        }
        let staged = Staged { name: name::beside(), content_type: content_type.to_owned(), bytes };
        let name = staged.name.clone();
        waiting.push(Waiting { document: document.clone(), staged, since: now });
        Ok(name)
    }

    pub(crate) fn find(&self, document: &FullyQualifiedName, name: &str) -> Option<Staged> {
        let waiting = self.lock();
        let found = waiting.iter().find(|entry| entry.document == *document && entry.staged.name == name);
        found.map(|entry| entry.staged.clone())
    }

    /// Its document is in the database and has it. What came before it for the same document can only belong to writers
    /// who have seen an older revision, and lose.
    pub(crate) fn written(&self, document: &FullyQualifiedName, staged: &Staged) {
        self.prune(document, Superseded::Through(&staged.name));
    }

    pub(super) fn prune(&self, document: &FullyQualifiedName, superseded: Superseded<'_>) {
        let (Superseded::Before(name) | Superseded::Through(name)) = superseded;
        let mut waiting = self.lock();
        let is_it = |entry: &Waiting| entry.document == *document && entry.staged.name == name;
        let Some(place) = waiting.iter().position(is_it) else { return };
        let first_kept = if matches!(superseded, Superseded::Before(_)) { place } else { place + 1 };
        let mut at = 0;
        waiting.retain(|entry| {
            let kept = entry.document != *document || at >= first_kept;
            at += 1;
            kept
        });
    }

    pub(crate) fn remove_all(&self, document: &FullyQualifiedName) {
        self.lock().retain(|entry| entry.document != *document);
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::name::EntityName;

    use super::*;

    fn document() -> FullyQualifiedName {
        FullyQualifiedName::parse("ns/a", &EntityName::new("ns").unwrap()).unwrap()
    }

    fn put(staging: &Staging, bytes: &'static [u8]) -> Result<String, StoreError> {
        staging.put(&document(), "text/plain", Bytes::from_static(bytes))
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_comes_for_makes_room() {
        let staging = Staging::new(10);
        let first = put(&staging, b"123456").unwrap();
        assert!(matches!(put(&staging, b"12345"), Err(StoreError::Unavailable(_))));
        tokio::time::advance(LONGEST_WAIT).await;
        let second = put(&staging, b"12345").unwrap();
        assert!(staging.find(&document(), &first).is_none());
        assert_eq!(staging.find(&document(), &second).unwrap().bytes, "12345");
    }

    #[tokio::test]
    async fn what_is_written_is_no_longer_held_and_what_came_later_is() {
        let staging = Staging::new(100);
        let (older, ours, later) =
            (put(&staging, b"1").unwrap(), put(&staging, b"2").unwrap(), put(&staging, b"3").unwrap());
        staging.written(&document(), &staging.find(&document(), &ours).unwrap());
        let is_there = |name: &str| staging.find(&document(), name).is_some();
        assert_eq!((is_there(&older), is_there(&ours), is_there(&later)), (false, false, true));
        staging.remove_all(&document());
        assert!(!is_there(&later));
    }
}
