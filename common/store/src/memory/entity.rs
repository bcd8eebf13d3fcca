//! Entities in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oxwhisk_core::id::Revision;
use oxwhisk_core::name::FullyQualifiedName;

use super::{MemoryAttachmentStore, lock, page, window};
use crate::{ContentsQuery, DatabaseContents, EntityDocument, EntityQuery, EntityStore, StoreError, Stored};

#[derive(Debug, Default)]
pub struct MemoryEntityStore {
    documents: Mutex<Documents>,
    attachments: Arc<MemoryAttachmentStore>,
}

#[derive(Debug, Default)]
struct Documents {
    by_id: HashMap<FullyQualifiedName, (u64, Stored<EntityDocument>)>,
    /// Counts documents made; breaks ties of `updated`, and makes revisions unique.
    made: u64,
}

impl MemoryEntityStore {
    /// Deleting an entity deletes its attachments in `attachments`.
    #[must_use]
    pub fn new(attachments: Arc<MemoryAttachmentStore>) -> Self {
        Self { documents: Mutex::default(), attachments }
    }
}

#[async_trait]
impl EntityStore for MemoryEntityStore {
    async fn get(&self, id: &FullyQualifiedName) -> Result<Option<Stored<EntityDocument>>, StoreError> {
        Ok(lock(&self.documents).by_id.get(id).map(|(_, stored)| stored.clone()))
    }

    async fn put(
        &self,
        document: EntityDocument,
        expected: Option<&Revision>,
    ) -> Result<Revision, StoreError> {
        let mut documents = lock(&self.documents);
        let found =
            documents.by_id.get(&document.id).map(|(place, stored)| (*place, stored.revision.clone()));
        if found.as_ref().map(|(_, revision)| revision) != expected {
            return Err(StoreError::Conflict);
        }
        documents.made += 1;
        let generation =
            expected.and_then(|revision| revision.0.split('-').next()?.parse().ok()).unwrap_or(0_u64);
        let revision = Revision(format!("{}-{:032x}", generation + 1, documents.made));
        let place = found.map_or(documents.made, |(place, _)| place);
        let stored = Stored { revision: revision.clone(), document };
        documents.by_id.insert(stored.document.id.clone(), (place, stored));
        Ok(revision)
    }

    async fn delete(&self, id: &FullyQualifiedName, expected: &Revision) -> Result<(), StoreError> {
        let mut documents = lock(&self.documents);
        match documents.by_id.get(id) {
            None => Err(StoreError::NotFound),
            Some((_, stored)) if stored.revision != *expected => Err(StoreError::Conflict),
            Some(_) => {
                documents.by_id.remove(id);
                self.attachments.remove_all(id);
                Ok(())
            }
        }
    }

    async fn list(&self, query: &EntityQuery) -> Result<Vec<EntityDocument>, StoreError> {
        let documents = lock(&self.documents);
        let mut matching: Vec<_> =
            documents.by_id.values().filter(|(_, stored)| matches(query, stored)).collect();
        matching.sort_by_key(|(place, stored)| std::cmp::Reverse((stored.document.updated, *place)));
        let documents = matching.into_iter().map(|(_, stored)| stored.document.clone());
        Ok(window(documents, query.skip, query.limit))
    }

    async fn count(&self, query: &EntityQuery) -> Result<u64, StoreError> {
        Ok(lock(&self.documents).by_id.values().filter(|(_, stored)| matches(query, stored)).count() as u64)
    }
}

fn matches(query: &EntityQuery, stored: &Stored<EntityDocument>) -> bool {
    let document = &stored.document;
    let path = &document.id.path;
    document.collection == query.collection
        && path.namespace == query.path.namespace
        && (query.path.package.is_none() || query.path.package == path.package)
        && (!query.public_only || document.is_public_package())
}

#[async_trait]
impl DatabaseContents for MemoryEntityStore {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let documents = lock(&self.documents);
        let document = |stored: &Stored<EntityDocument>| {
            let (id, body) = (stored.document.id.to_string(), stored.document.body.get().to_owned());
            (id, Some(stored.revision.0.clone()), body)
        };
        page(query, documents.by_id.values().map(|(_, stored)| document(stored)))
    }
}
