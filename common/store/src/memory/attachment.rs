//! Attachments in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::name::FullyQualifiedName;

use super::lock;
use crate::attachment::digest;
use crate::{AttachmentStore, StoreError, StoredAttachment};

#[derive(Debug, Default)]
pub struct MemoryAttachmentStore {
    by_name: Mutex<HashMap<(FullyQualifiedName, String), Bytes>>,
}

impl MemoryAttachmentStore {
    pub(super) fn remove_all(&self, document: &FullyQualifiedName) {
        lock(&self.by_name).retain(|(of, _), _| of != document);
    }
}

#[async_trait]
impl AttachmentStore for MemoryAttachmentStore {
    async fn put(
        &self,
        document: &FullyQualifiedName,
        _content_type: &str,
        bytes: Bytes,
    ) -> Result<StoredAttachment, StoreError> {
        let name = format!("memory:{}", uuid::Uuid::new_v4());
        let stored =
            StoredAttachment { name: name.clone(), length: bytes.len() as u64, digest: digest(&bytes) };
        lock(&self.by_name).insert((document.clone(), name), bytes);
        Ok(stored)
    }

    async fn get(&self, document: &FullyQualifiedName, name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(lock(&self.by_name).get(&(document.clone(), name.to_owned())).cloned())
    }

    async fn prune(&self, document: &FullyQualifiedName, keep: Option<&str>) -> Result<(), StoreError> {
        lock(&self.by_name).retain(|(of, name), _| of != document || Some(name.as_str()) == keep);
        Ok(())
    }
}
