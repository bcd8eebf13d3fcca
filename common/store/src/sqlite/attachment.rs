//! Attachments in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_sqlite::{Database, DirectoryLock};
use rusqlite::{OptionalExtension, params};

use crate::attachment::digest;
use crate::{AttachmentStore, StoreError, StoredAttachment, Superseded};

#[derive(Debug)]
pub struct SqliteAttachmentStore {
    database: Arc<Database>,
    _lock: Arc<DirectoryLock>,
}

impl SqliteAttachmentStore {
    pub(super) fn new(database: Arc<Database>, lock: Arc<DirectoryLock>) -> Self {
        Self { database, _lock: lock }
    }
}

#[async_trait]
impl AttachmentStore for SqliteAttachmentStore {
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
        let name = format!("sqlite:{}", uuid::Uuid::new_v4());
        let stored = StoredAttachment { name, length: bytes.len() as u64, digest };
        let (document, content_type, row) = (document.to_string(), content_type.to_owned(), stored.clone());
        self.database
            .write(move |connection| {
                connection
                    .prepare_cached("INSERT INTO attachments VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![row.name, document, content_type, row.digest, bytes.as_ref()])?;
                Ok::<_, oxwhisk_sqlite::Failed<StoreError>>(())
            })
            .await?;
        Ok(stored)
    }

    async fn get(&self, document: &FullyQualifiedName, name: &str) -> Result<Option<Bytes>, StoreError> {
        let (document, name) = (document.to_string(), name.to_owned());
        self.database
            .read(move |connection| {
                let bytes: Option<Vec<u8>> = connection
                    .prepare_cached("SELECT bytes FROM attachments WHERE name = ?1 AND document = ?2")?
                    .query_row(params![name, document], |row| row.get(0))
                    .optional()?;
                Ok(bytes.map(Bytes::from))
            })
            .await
    }

    async fn prune(
        &self,
        document: &FullyQualifiedName,
        superseded: Superseded<'_>,
    ) -> Result<(), StoreError> {
        let (through, name) = match superseded {
            Superseded::Before(name) => (false, name.to_owned()),
            Superseded::Through(name) => (true, name.to_owned()),
        };
        let document = document.to_string();
        self.database
            .write(move |connection| {
                // A new row has a number above all there are, so numbers tell which came first.
                connection
                    .prepare_cached(
                        "DELETE FROM attachments WHERE document = ?1 AND rowid < ?3 +
                         (SELECT rowid FROM attachments WHERE name = ?2 AND document = ?1)",
                    )?
                    .execute(params![document, name, through])?;
                Ok(())
            })
            .await
    }
}
