//! Subjects and limits as documents of the database `subjects`.

use async_trait::async_trait;
use oxwhisk_core::json::{Object, raw, with_members};
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Identity, Subject};
use oxwhisk_store::{StoreError, SubjectStore};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::database::{Database, Deleted, Row, ViewQuery, Written};
use crate::design;
use crate::document::{self, Document, Own};

/// Times that a change is made anew because somebody else has changed the document.
const ROUNDS: u32 = 10;

/// Rows read at once to find subjects among them.
const PAGE: u64 = 200;

#[derive(Debug)]
pub(crate) struct CouchSubjectStore {
    database: Database,
}

/// What is to become of a document.
enum Change {
    Write(Box<RawValue>),
    Delete,
    Nothing,
}

/// What the view `identities` emits.
#[derive(Deserialize)]
struct IdentityValue {
    namespace: EntityName,
    #[serde(flatten)]
    auth: AuthKey,
}

impl CouchSubjectStore {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads a document, and writes what `change` makes of it: again, when somebody else has written it meanwhile.
    async fn edit(
        &self,
        id: &str,
        change: impl Fn(Option<&Document>) -> Result<Change, StoreError>,
    ) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let found = self.database.get(id).await?;
            let revision = found.as_ref().map(|found| &found.revision);
            let is_done = match (change(found.as_ref())?, revision) {
                (Change::Nothing, _) | (Change::Delete, None) => true,
                (Change::Delete, Some(revision)) => {
                    !matches!(self.database.delete(id, revision).await?, Deleted::Conflict { .. })
                }
                (Change::Write(body), revision) => {
                    let text = document::write(Own { id, revision, ..Own::default() }, body.get())?;
                    match self.database.put(id, text, false).await? {
                        Written::Done(_) => true,
                        Written::Conflict { .. } => false,
                        Written::TooLarge(reason) => {
                            return Err(StoreError::TooLarge(format!("the document '{id}': {reason}")));
                        }
                    }
                }
            };
            if is_done {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }

    async fn identities_with(&self, query: ViewQuery) -> Result<Vec<Identity>, StoreError> {
        let query = ViewQuery { documents: true, ..query };
        let rows = self.database.view(design::IDENTITIES, &query).await?;
        rows.iter().map(identity).collect()
    }
}

/// A row with the limits that it refers to.
fn identity(row: &Row) -> Result<Identity, StoreError> {
    let corrupt = |what: &dyn std::fmt::Display| {
        StoreError::Corrupt(format!("an identity of the subject {:?}: {what}", row.id))
    };
    let subject = row.id.as_deref().ok_or_else(|| corrupt(&"it has no id"))?;
    let value = row.value.as_deref().map_or("null", RawValue::get);
    let IdentityValue { namespace, auth } = serde_json::from_str(value).map_err(|error| corrupt(&error))?;
    let limits = row.document()?.and_then(|document| limits_in(&namespace, &document)).unwrap_or_default();
    Ok(Identity { subject: subject.into(), namespace, auth, limits })
}

fn limits_in(namespace: &EntityName, document: &Document) -> Option<UserLimits> {
    match serde_json::from_str(document.body.get()) {
        Ok(limits) => Some(limits),
        Err(error) => {
            tracing::warn!(%namespace, %error, "the limits of a namespace cannot be read, the defaults apply");
            None
        }
    }
}

fn subject_in(document: &Document) -> Result<Subject, StoreError> {
    serde_json::from_str(document.body.get())
        .map_err(|error| StoreError::Corrupt(format!("the subject '{}': {error}", document.id)))
}

/// The body of a subject's document; members that are none of ours stay as they are.
fn body_of(subject: &Subject, found: Option<&Document>) -> Result<Box<RawValue>, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let new = raw(subject);
    let Some(found) = found else { return Ok(new) };
    let ours = Object::read(&new).map_err(corrupt)?;
    let names = ours.names();
    let names = names.iter().filter_map(|name| std::str::from_utf8(name).ok()).collect();
    let mut rest = Object::read(&found.body).map_err(corrupt)?;
    rest.take(&names);
    let members =
        oxwhisk_core::json::Members::read(&new).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let members = members.selected(&["subject", "blocked", "namespaces"]);
    with_members(&rest.to_raw().map_err(corrupt)?, members).map_err(corrupt)
}

fn limits_id(namespace: &EntityName) -> String {
    format!("{namespace}/limits")
}

/// Documents of limits and of design stand among those of subjects.
fn is_subject(id: &str) -> bool {
    !id.starts_with('_') && !id.ends_with("/limits")
}

#[async_trait]
impl SubjectStore for CouchSubjectStore {
    async fn identity_by_key(&self, key: &AuthKey) -> Result<Option<Identity>, StoreError> {
        let query = ViewQuery { limit: Some(2), ..ViewQuery::of_key(&[&key.uuid, &key.key]) };
        let mut matching = self.identities_with(query).await?;
        match matching.len() {
            0 | 1 => Ok(matching.pop()),
            _ => Err(StoreError::Ambiguous),
        }
    }

    async fn identity_by_namespace(&self, namespace: &EntityName) -> Result<Option<Identity>, StoreError> {
        let query = ViewQuery { limit: Some(1), ..ViewQuery::of_key(&[namespace]) };
        Ok(self.identities_with(query).await?.pop())
    }

    async fn subject(&self, subject: &str) -> Result<Option<Subject>, StoreError> {
        if !is_subject(subject) {
            return Ok(None);
        }
        self.database.get(subject).await?.as_ref().map(subject_in).transpose()
    }

    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError> {
        self.edit(&subject.subject, |found| body_of(subject, found).map(Change::Write)).await
    }

    async fn subjects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Subject>, StoreError> {
        let (mut subjects, mut after) = (Vec::new(), after.map(str::to_owned));
        while subjects.len() < limit {
            let query = ViewQuery {
                start: after.as_ref().map(raw),
                // The row that the last page ended with.
                skip: u64::from(after.is_some()),
                limit: Some(PAGE),
                documents: true,
                ..ViewQuery::default()
            };
            let rows = self.database.all(&query).await?;
            let is_last = rows.len() < PAGE as usize;
            after = rows.last().and_then(|row| row.id.clone());
            for row in rows.iter().filter(|row| row.id.as_deref().is_some_and(is_subject)) {
                if let Some(document) = row.document()? {
                    subjects.push(subject_in(&document)?);
                }
            }
            if is_last {
                break;
            }
        }
        subjects.truncate(limit);
        Ok(subjects)
    }

    async fn set_blocked(&self, subject: &str, blocked: bool) -> Result<(), StoreError> {
        self.edit(subject, |found| {
            let found = found.ok_or(StoreError::NotFound)?;
            let subject = subject_in(found)?;
            if subject.blocked == blocked {
                return Ok(Change::Nothing);
            }
            body_of(&Subject { blocked, ..subject }, Some(found)).map(Change::Write)
        })
        .await
    }

    async fn delete_subject(&self, subject: &str) -> Result<(), StoreError> {
        self.edit(subject, |found| found.map(|_| Change::Delete).ok_or(StoreError::NotFound)).await
    }

    async fn identities(&self, namespace: &EntityName) -> Result<Vec<Identity>, StoreError> {
        self.identities_with(ViewQuery::of_key(&[namespace])).await
    }

    async fn limits(&self, namespace: &EntityName) -> Result<Option<UserLimits>, StoreError> {
        let found = self.database.get(&limits_id(namespace)).await?;
        Ok(found.and_then(|document| limits_in(namespace, &document)))
    }

    async fn put_limits(
        &self,
        namespace: &EntityName,
        limits: Option<&UserLimits>,
    ) -> Result<(), StoreError> {
        let body = limits.map(raw);
        let change = |_: Option<&Document>| Ok(body.clone().map_or(Change::Delete, Change::Write));
        self.edit(&limits_id(namespace), change).await
    }
}
