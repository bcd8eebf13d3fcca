//! Attachments in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::name::FullyQualifiedName;

use super::lock;
use crate::attachment::digest;
use crate::{AttachmentStore, StoreError, StoredAttachment, Superseded};

#[derive(Debug, Default)]
pub struct MemoryAttachmentStore {
    attachments: Mutex<Attachments>,
}

#[derive(Debug, Default)]
struct Attachments {
    by_name: HashMap<(FullyQualifiedName, String), (u64, Bytes)>,
    /// How many were ever put, which gives each its place.
    put: u64,
}

impl MemoryAttachmentStore {
    pub(super) fn remove_all(&self, document: &FullyQualifiedName) {
        lock(&self.attachments).by_name.retain(|(of, _), _| of != document);
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
        let mut attachments = lock(&self.attachments);
        attachments.put += 1;
        let place = attachments.put;
        attachments.by_name.insert((document.clone(), name), (place, bytes));
        Ok(stored)
    }

    async fn get(&self, document: &FullyQualifiedName, name: &str) -> Result<Option<Bytes>, StoreError> {
        let attachments = lock(&self.attachments);
        Ok(attachments.by_name.get(&(document.clone(), name.to_owned())).map(|(_, bytes)| bytes.clone()))
    }

    async fn prune(
        &self,
        document: &FullyQualifiedName,
        superseded: Superseded<'_>,
    ) -> Result<(), StoreError> {
        let (Superseded::Before(name) | Superseded::Through(name)) = superseded;
        let mut attachments = lock(&self.attachments);
        let place = attachments.by_name.get(&(document.clone(), name.to_owned())).map(|(place, _)| *place);
        let Some(place) = place else { return Ok(()) };
        let first_kept = if matches!(superseded, Superseded::Before(_)) { place } else { place + 1 };
        attachments.by_name.retain(|(of, _), (place, _)| of != document || *place >= first_kept);
        Ok(())
    }
}
