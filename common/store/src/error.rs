//! Why a store did not do what it was asked.

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::record::RecordOrigin;

/// What callers branch on. Anything a caller cannot act upon is [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The document is not of the revision the caller saw, or exists although the caller saw none.
    #[error("the document was changed by someone else")]
    Conflict,
    /// There is no such document (when deleting or replacing one).
    #[error("there is no such document")]
    NotFound,
    /// More than one identity answers to the same credentials.
    #[error("the credentials are not unique")]
    Ambiguous,
    /// What is stored cannot be read.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The document is larger than the store takes, and always will be.
    #[error("too large to be stored: {0}")]
    TooLarge(String),
    /// Some records can never be stored as they are. All others of the same call are stored.
    #[error("{} of the records cannot be stored, the first one: {}", .0.len(), .0.first().map_or("", |refusal| &refusal.reason))]
    Refused(Vec<Refusal>),
    /// The store cannot be reached or written; the same request may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// A record that a store will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub namespace: EntityName,
    pub activation_id: ActivationId,
    /// Which of several records of the activation.
    pub origin: Option<RecordOrigin>,
    pub reason: String,
}
