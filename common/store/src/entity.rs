//! Entities as documents: the shape that an OpenWhisk database has, whatever keeps it.

use std::fmt;

use async_trait::async_trait;
use oxwhisk_core::id::Revision;
use oxwhisk_core::json::Members;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use serde_json::value::RawValue;

use crate::StoreError;

/// Which view of the database lists an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    Actions,
    Triggers,
    Rules,
    Packages,
}

impl Collection {
    /// The collection a document belongs to, by its members as the database's views decide it.
    #[must_use]
    pub fn of(body: &RawValue) -> Option<Self> {
        let body = Members::read(body).ok()?;
        let has = |name: &str| body.get(name).is_some();
        match body.string("entityType").as_deref() {
            Some("action") => Some(Self::Actions),
            Some("trigger") => Some(Self::Triggers),
            Some("rule") => Some(Self::Rules),
            Some("package") => Some(Self::Packages),
            Some(_) => None,
            None if has("exec") => Some(Self::Actions),
            None if has("binding") => Some(Self::Packages),
            None if has("trigger") => Some(Self::Rules),
            None if has("parameters") => Some(Self::Triggers),
            None => None,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Triggers => "triggers",
            Self::Rules => "rules",
            Self::Packages => "packages",
        }
    }
}

/// An entity's document without the store's own members (`_id`, `_rev`): its body has `namespace`, `name`, `updated`
/// and `entityType`, and `exec.code` may name an attachment.
#[derive(Clone, Debug)]
pub struct EntityDocument {
    pub id: FullyQualifiedName,
    pub collection: Collection,
    /// Milliseconds since the epoch; lists are ordered by it, newest first.
    pub updated: i64,
    pub body: Box<RawValue>,
}

/// Bodies are compared as they are written.
impl PartialEq for EntityDocument {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.collection == other.collection
            && self.updated == other.updated
            && self.body.get() == other.body.get()
    }
}

impl EntityDocument {
    /// Whether strangers see it in a list of packages: it is published, and it is no binding.
    #[must_use]
    pub fn is_public_package(&self) -> bool {
        if self.collection != Collection::Packages {
            return false;
        }
        let body = Members::read(&self.body).unwrap_or_default();
        let bound = |binding| Members::read(binding).is_ok_and(|binding| !binding.is_empty());
        body.boolean("publish").unwrap_or(false) && !body.get("binding").is_some_and(bound)
    }
}

/// A document with the revision under which it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    pub revision: Revision,
    pub document: T,
}

/// Which entries of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityQuery {
    pub collection: Collection,
    /// With a package: that package's entities only. Without: the namespace's and those of all its packages.
    pub path: EntityPath,
    /// Only packages that are published and are no bindings.
    pub public_only: bool,
    pub skip: u64,
    /// `None` is no limit.
    pub limit: Option<u64>,
}

impl EntityQuery {
    #[must_use]
    pub fn all(collection: Collection, namespace: EntityName) -> Self {
        let path = EntityPath::new(namespace, None);
        Self { collection, path, public_only: false, skip: 0, limit: None }
    }
}

#[async_trait]
pub trait EntityStore: fmt::Debug + Send + Sync + 'static {
    async fn get(&self, id: &FullyQualifiedName) -> Result<Option<Stored<EntityDocument>>, StoreError>;

    /// Writes a document. With `None` it must be new, else it must still have that revision.
    /// Returns when it survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not as `expected`.
    async fn put(
        &self,
        document: EntityDocument,
        expected: Option<&Revision>,
    ) -> Result<Revision, StoreError>;

    /// Deletes a document and its attachments. Returns when that survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] or [`StoreError::Conflict`] when it is not as `expected`.
    async fn delete(&self, id: &FullyQualifiedName, expected: &Revision) -> Result<(), StoreError>;

    /// Documents, last updated first.
    async fn list(&self, query: &EntityQuery) -> Result<Vec<EntityDocument>, StoreError>;

    /// How many documents match; `skip` and `limit` of the query do not apply.
    async fn count(&self, query: &EntityQuery) -> Result<u64, StoreError>;
}
