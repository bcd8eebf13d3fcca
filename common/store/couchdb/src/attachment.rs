//! Code beside its document, as an attachment of CouchDB, or in the name itself where it is small.
//!
//! CouchDB keeps an attachment with a revision of a document, and there is none yet when code is put. So code is staged
//! here, and written together with its document in one request: no document ever names code that is not there. It
//! survives a power cut when its document does.

mod name;
mod staging;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_store::{AttachmentStore, StoreError, StoredAttachment, Superseded};
use sha2::{Digest, Sha256};

use crate::database::Database;

pub(crate) use name::{AttachmentName, named_by};
pub(crate) use staging::{Staged, Staging};

#[derive(Debug)]
pub(crate) struct CouchAttachmentStore {
    database: Database,
    staging: Arc<Staging>,
    max_inline_bytes: usize,
}

impl CouchAttachmentStore {
    pub(crate) const fn new(database: Database, staging: Arc<Staging>, max_inline_bytes: usize) -> Self {
        Self { database, staging, max_inline_bytes }
    }
}

#[async_trait]
impl AttachmentStore for CouchAttachmentStore {
    async fn put(
        &self,
        document: &FullyQualifiedName,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<StoredAttachment, StoreError> {
        // Tens of megabytes take long enough to hash that the runtime's own threads must not do it.
        let hashed = bytes.clone();
        let digest = tokio::task::spawn_blocking(move || digest(&hashed))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let length = bytes.len() as u64;
        let name = if bytes.len() < self.max_inline_bytes {
            name::inline(&bytes)
        } else {
            self.staging.put(document, content_type, bytes)?
        };
        Ok(StoredAttachment { name, length, digest })
    }

    async fn get(&self, document: &FullyQualifiedName, name: &str) -> Result<Option<Bytes>, StoreError> {
        match AttachmentName::parse(name) {
            AttachmentName::Inline(bytes) => Ok(Some(bytes)),
            AttachmentName::Beside(beside) => match self.staging.find(document, name) {
                Some(staged) => Ok(Some(staged.bytes)),
                None => self.database.attachment(&document.to_string(), &beside).await,
            },
            AttachmentName::Elsewhere => Err(StoreError::Corrupt(format!(
                "the code of '{document}' is in another store than CouchDB: '{}'",
                name.chars().take(80).collect::<String>()
            ))),
        }
    }

    /// What a document no longer names, CouchDB has dropped with the write of that document; what is left to drop is
    /// staged.
    async fn prune(
        &self,
        document: &FullyQualifiedName,
        superseded: Superseded<'_>,
    ) -> Result<(), StoreError> {
        self.staging.prune(document, superseded);
        Ok(())
    }
}

/// `sha-256-<hex>`, as documents give an attachment's digest.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    Sha256::digest(bytes).iter().fold("sha-256-".to_owned(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
