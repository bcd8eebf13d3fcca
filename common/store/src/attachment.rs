//! Code kept beside its document.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::name::FullyQualifiedName;
#[cfg(any(feature = "memory", feature = "sqlite"))]
use sha2::{Digest, Sha256};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAttachment {
    /// The URI under which the document refers to it; its scheme names the store (`sqlite:<uuid>`).
    pub name: String,
    pub length: u64,
    /// `sha-256-<hex>` of the bytes.
    pub digest: String,
}

#[async_trait]
pub trait AttachmentStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps `bytes` for a document that is about to be written, and that will refer to it by the returned name.
    /// Returns when it survives a power cut.
    async fn put(
        &self,
        document: &FullyQualifiedName,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<StoredAttachment, StoreError>;

    async fn get(&self, document: &FullyQualifiedName, name: &str) -> Result<Option<Bytes>, StoreError>;

    /// Deletes attachments of the document that nothing can refer to any more.
    async fn prune(
        &self,
        document: &FullyQualifiedName,
        superseded: Superseded<'_>,
    ) -> Result<(), StoreError>;
}

/// Which attachments of a document are gone for good once a writer has put the document. Never those that came later:
/// the next writer may have read that document already, and be about to put one that refers to its own attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Superseded<'a> {
    /// Those that were put before this one, to which the document refers.
    Before(&'a str),
    /// This one, to which the document referred until now, and those before it.
    Through(&'a str),
}

/// `sha-256-<hex>`, as documents give an attachment's digest.
#[cfg(any(feature = "memory", feature = "sqlite"))]
pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    Sha256::digest(bytes).iter().fold("sha-256-".to_owned(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
