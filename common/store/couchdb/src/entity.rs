//! Entities as documents of the database `whisks`.

use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_core::id::Revision;
use oxwhisk_core::json::{Members, raw};
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_store::{Collection, EntityDocument, EntityQuery, EntityStore, StoreError, Stored};
use serde_json::value::RawValue;

use crate::attachment::{AttachmentName, Staged, Staging};
use crate::config::CouchConfig;
use crate::database::{Database, Deleted, ViewQuery, Written};
use crate::document::{self, Document, Own};
use crate::json::same_value;
use crate::{attachment, design};

#[derive(Debug)]
pub(crate) struct CouchEntityStore {
    database: Database,
    staging: Arc<Staging>,
    max_document_bytes: usize,
}

impl CouchEntityStore {
    pub(crate) fn new(database: Database, staging: Arc<Staging>, config: &CouchConfig) -> Self {
        Self { database, staging, max_document_bytes: config.max_document_bytes }
    }

    /// Where the code of a document with this body comes from.
    async fn code(
        &self,
        id: &FullyQualifiedName,
        body: &RawValue,
        expected: Option<&Revision>,
    ) -> Result<Code, StoreError> {
        let Some(name) = attachment::named_by(body) else { return Ok(Code::None) };
        let AttachmentName::Beside(beside) = AttachmentName::parse(&name) else { return Ok(Code::None) };
        if let Some(staged) = self.staging.find(id, &name) {
            return Ok(Code::Staged { beside, staged });
        }
        // The code stays as it is: what the next revision does not name, CouchDB drops.
        let Some(expected) = expected else {
            let gone = format!("the code '{name}' of '{id}' waits for its document no longer; put it again");
            return Err(StoreError::Unavailable(gone));
        };
        match self.database.get(&id.to_string()).await? {
            Some(current) if current.revision == *expected => Ok(Code::Kept(kept(&current, &beside))),
            _ => Err(StoreError::Conflict),
        }
    }

    /// A write was sent more than once, and the last answer is that the document is there already: it may be our own.
    async fn is_written(
        &self,
        id: &FullyQualifiedName,
        body: &RawValue,
    ) -> Result<Option<Revision>, StoreError> {
        let found = self.database.get(&id.to_string()).await?;
        let ours = found.filter(|found| same_value(found.body.get(), body.get()));
        Ok(ours.map(|found| found.revision))
    }
}

/// Code of a document that is about to be written.
#[derive(Debug)]
enum Code {
    /// It has none, or has it in itself.
    None,
    /// An attachment that is there, as CouchDB wants it to be named when it stays.
    Kept(Option<Box<RawValue>>),
    /// An attachment that is written with the document.
    Staged { beside: String, staged: Staged },
}

/// The whole document. Tens of megabytes of code take long enough that the runtime's own threads must not do it.
async fn whole(
    id: &str,
    body: &RawValue,
    expected: Option<&Revision>,
    code: &Code,
) -> Result<Box<RawValue>, StoreError> {
    let own = Own { id, revision: expected, ..Own::default() };
    let (beside, staged) = match code {
        Code::None => return document::write(own, body.get()),
        Code::Kept(kept) => return document::write(Own { attachments: kept.as_deref(), ..own }, body.get()),
        Code::Staged { beside, staged } => (beside.clone(), staged.clone()),
    };
    let (id, body, expected) = (id.to_owned(), body.to_owned(), expected.cloned());
    let write = move || {
        let attachments = staged.as_member(&beside);
        document::write(
            Own { id: &id, revision: expected.as_ref(), attachments: Some(&attachments), ..Own::default() },
            body.get(),
        )
    };
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(|error| StoreError::Unavailable(error.to_string()))?
}

/// What CouchDB said of an attachment, as it wants it to be said when the attachment stays.
fn kept(current: &Document, name: &str) -> Option<Box<RawValue>> {
    let attachments = Members::read(current.attachments.as_deref()?).ok()?;
    Some(raw(&attachments.selected(&[name])))
}

#[async_trait]
impl EntityStore for CouchEntityStore {
    async fn get(&self, id: &FullyQualifiedName) -> Result<Option<Stored<EntityDocument>>, StoreError> {
        let Some(found) = self.database.get(&id.to_string()).await? else { return Ok(None) };
        let collection = Collection::of(&found.body)
            .ok_or_else(|| StoreError::Corrupt(format!("the document '{id}' is none of an entity")))?;
        let revision = found.revision.clone();
        Ok(Some(Stored { revision, document: entity_document(id.clone(), collection, found) }))
    }

    async fn put(
        &self,
        document: EntityDocument,
        expected: Option<&Revision>,
    ) -> Result<Revision, StoreError> {
        let (id, body) = (document.id.to_string(), &document.body);
        if body.get().len() > self.max_document_bytes {
            return Err(too_large(&id, body.get().len(), self.max_document_bytes));
        }
        let code = self.code(&document.id, body, expected).await?;
        let text = whole(&id, body, expected, &code).await?;
        let is_large = matches!(code, Code::Staged { .. });
        let written = match self.database.put(&id, text, is_large).await? {
            Written::Done(revision) => revision,
            Written::Conflict { again } => {
                let ours = if again { self.is_written(&document.id, body).await? } else { None };
                ours.ok_or(StoreError::Conflict)?
            }
            Written::TooLarge(_) => return Err(too_large(&id, body.get().len(), self.max_document_bytes)),
        };
        if let Code::Staged { staged, .. } = code {
            self.staging.written(&document.id, &staged);
        }
        Ok(written)
    }

    async fn delete(&self, id: &FullyQualifiedName, expected: &Revision) -> Result<(), StoreError> {
        match self.database.delete(&id.to_string(), expected).await? {
            Deleted::Done => {
                self.staging.remove_all(id);
                Ok(())
            }
            Deleted::Missing => Err(StoreError::NotFound),
            Deleted::Conflict { .. } => Err(StoreError::Conflict),
        }
    }

    async fn list(&self, query: &EntityQuery) -> Result<Vec<EntityDocument>, StoreError> {
        let asked = ViewQuery {
            skip: query.skip,
            limit: query.limit,
            documents: true,
            ..ViewQuery::latest_first(&query.path.to_string(), None, None)
        };
        let rows = self.database.view(design::view_of(query.collection, query.public_only), &asked).await?;
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            // A document may go between the view's answer and its own reading.
            let Some(found) = row.document()? else { continue };
            let id = parse_id(&found.id)?;
            documents.push(entity_document(id, query.collection, found));
        }
        Ok(documents)
    }

    async fn count(&self, query: &EntityQuery) -> Result<u64, StoreError> {
        let asked = ViewQuery::latest_first(&query.path.to_string(), None, None);
        self.database.count(design::view_of(query.collection, query.public_only), &asked).await
    }
}

fn too_large(id: &str, size: usize, limit: usize) -> StoreError {
    StoreError::TooLarge(format!("the document '{id}' of {size} bytes (the limit is {limit} bytes)"))
}

fn entity_document(id: FullyQualifiedName, collection: Collection, found: Document) -> EntityDocument {
    let body = document::entity(collection, found.body);
    let updated = Members::read(&body).ok().and_then(|body| body.number("updated")).unwrap_or(0);
    EntityDocument { id, collection, updated, body }
}

fn parse_id(text: &str) -> Result<FullyQualifiedName, StoreError> {
    // The id is complete, so the default namespace is never used.
    EntityName::new("_")
        .and_then(|unused| FullyQualifiedName::parse(text, &unused))
        .map_err(|error| StoreError::Corrupt(format!("the document id '{text}': {error}")))
}
