//! Why a store did not do what it was asked.

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
    /// The store cannot be reached or written; the same request may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}
