//! Activation records.

use std::fmt;

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;

use crate::{RecordDocument, StoreError};

/// Which records of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationQuery {
    pub namespace: EntityName,
    /// `name` or `package/name`.
    pub name: Option<String>,
    /// Milliseconds since the epoch, both ends included.
    pub since: Option<i64>,
    pub upto: Option<i64>,
    pub skip: u64,
    /// `None` is no limit.
    pub limit: Option<u64>,
}

#[async_trait]
pub trait ActivationStore: fmt::Debug + Send + Sync + 'static {
    /// Writes records, as if one after the other. Idempotent by namespace and activation id: the first record stays, and
    /// a later one of the same activation changes nothing, unless it completes the one that is there
    /// ([`RecordDocument::completes`]): then it takes its place, and is not counted again. For that a store keeps where
    /// its records come from; what it keeps of records without an origin is completed by none. Returns when all of them
    /// survive a crash of the process.
    ///
    /// # Errors
    /// [`StoreError::Refused`] names the records that will never be taken; all others are stored then. After any other
    /// error some may be stored, and all of them may be given again.
    async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError>;

    /// The stored form of a record.
    async fn get(&self, namespace: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError>;

    /// Which of these have a record already.
    async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError>;

    /// List entries ([`oxwhisk_core::entity::Activation::summary`]) as JSON, last started first.
    async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError>;

    /// Stored forms, last started first.
    async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError>;

    /// How many records match; `skip` and `limit` of the query do not apply. Never proportional to the number of records.
    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError>;
}
