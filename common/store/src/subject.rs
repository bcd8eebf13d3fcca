//! Subjects, their keys and the limits of their namespaces.

use std::fmt;

use async_trait::async_trait;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Identity, Subject};

use crate::StoreError;

#[async_trait]
pub trait SubjectStore: fmt::Debug + Send + Sync + 'static {
    /// Who holds this key, with the limits of the namespace it opens. Blocked subjects hold none.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] when two subjects hold it.
    async fn identity_by_key(&self, key: &AuthKey) -> Result<Option<Identity>, StoreError>;

    /// An identity of the namespace, of any subject that is not blocked.
    async fn identity_by_namespace(&self, namespace: &EntityName) -> Result<Option<Identity>, StoreError>;

    async fn subject(&self, subject: &str) -> Result<Option<Subject>, StoreError>;

    /// Creates or replaces a subject. Returns when it survives a power cut.
    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError>;

    /// Subjects in the order of their names (of bytes): those behind `after`, `limit` at most. Fewer than `limit` means
    /// that these are the last.
    async fn subjects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Subject>, StoreError>;

    /// Blocks or unblocks a subject, and leaves all else of it as it is. Returns when it survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such subject.
    async fn set_blocked(&self, subject: &str, blocked: bool) -> Result<(), StoreError>;

    /// # Errors
    /// [`StoreError::NotFound`] when there is no such subject.
    async fn delete_subject(&self, subject: &str) -> Result<(), StoreError>;

    /// Every identity of the namespace, blocked subjects left out.
    async fn identities(&self, namespace: &EntityName) -> Result<Vec<Identity>, StoreError>;

    /// The namespace's own limits, if it has any. A document that cannot be read counts as none.
    async fn limits(&self, namespace: &EntityName) -> Result<Option<UserLimits>, StoreError>;

    /// Sets the namespace's limits, or removes them with `None`.
    async fn put_limits(&self, namespace: &EntityName, limits: Option<&UserLimits>)
    -> Result<(), StoreError>;
}
