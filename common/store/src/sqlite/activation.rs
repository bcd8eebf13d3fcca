//! Activation records in SQLite.

mod buckets;
mod counters;
mod read;
mod retention;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_sqlite::{Database, DirectoryLock};

use super::error::{Outcome, corrupt};
use crate::{ActivationQuery, ActivationStore, ContentsQuery, DatabaseContents, RecordDocument, StoreError};

pub(super) use retention::Retention;

#[derive(Debug)]
pub struct SqliteActivationStore {
    /// Before the database: it stops first.
    _retention: Option<Retention>,
    database: Arc<Database>,
    _lock: Arc<DirectoryLock>,
}

impl SqliteActivationStore {
    pub(super) fn new(
        database: Arc<Database>,
        lock: Arc<DirectoryLock>,
        retention: Option<Retention>,
    ) -> Self {
        Self { _retention: retention, database, _lock: lock }
    }

    /// Deletes records that started before `time` (milliseconds since the epoch), the oldest first and `limit` at most.
    /// Returns how many went; fewer than `limit` means that none is left.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn delete_before(&self, time: i64, limit: u64) -> Result<u64, StoreError> {
        self.database.write(move |connection| retention::delete_before(connection, time, limit)).await
    }
}

#[async_trait]
impl ActivationStore for SqliteActivationStore {
    async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
        let records = records.to_vec();
        self.database.write(move |connection| write::store(connection, &records)).await
    }

    async fn get(&self, namespace: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError> {
        let namespace = namespace.clone();
        self.database.read(move |connection| read::get(connection, &namespace, id)).await
    }

    async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError> {
        let ids = ids.to_vec();
        self.database.read(move |connection| read::existing(connection, &ids)).await
    }

    async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        self.list(read::Column::Summary, query).await
    }

    async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        self.list(read::Column::Document, query).await
    }

    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| read::count(connection, &query)).await
    }
}

impl SqliteActivationStore {
    async fn list(&self, column: read::Column, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| read::list(connection, column, &query)).await
    }
}

#[async_trait]
impl DatabaseContents for SqliteActivationStore {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| read::contents(connection, &query)).await
    }
}

/// An id as the file has it.
fn id_bytes(id: ActivationId) -> Outcome<[u8; 16]> {
    match uuid::Uuid::try_parse(&id.to_string()) {
        Ok(uuid) => Ok(uuid.into_bytes()),
        Err(error) => corrupt(format_args!("the activation id {id}: {error}")),
    }
}
