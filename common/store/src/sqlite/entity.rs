//! Entities in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_core::id::Revision;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_sqlite::{Database, DirectoryLock, Failed};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::value::RawValue;

use super::error::{Outcome, corrupt};
use crate::contents::{id_of_row, primary_row, refuse_views};
use crate::{
    Collection, ContentsQuery, DatabaseContents, EntityDocument, EntityQuery, EntityStore, StoreError, Stored,
};

#[derive(Debug)]
pub struct SqliteEntityStore {
    database: Arc<Database>,
    _lock: Arc<DirectoryLock>,
}

impl SqliteEntityStore {
    pub(super) fn new(database: Arc<Database>, lock: Arc<DirectoryLock>) -> Self {
        Self { database, _lock: lock }
    }
}

#[async_trait]
impl EntityStore for SqliteEntityStore {
    async fn get(&self, id: &FullyQualifiedName) -> Result<Option<Stored<EntityDocument>>, StoreError> {
        let id = id.clone();
        self.database.read(move |connection| get(connection, id)).await
    }

    async fn put(
        &self,
        document: EntityDocument,
        expected: Option<&Revision>,
    ) -> Result<Revision, StoreError> {
        let expected = expected.cloned();
        let revision = next_revision(expected.as_ref());
        self.database.write(move |connection| put(connection, &document, expected, revision)).await
    }

    async fn delete(&self, id: &FullyQualifiedName, expected: &Revision) -> Result<(), StoreError> {
        let (id, expected) = (id.to_string(), expected.clone());
        self.database.write(move |connection| delete(connection, &id, &expected)).await
    }

    async fn list(&self, query: &EntityQuery) -> Result<Vec<EntityDocument>, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| list(connection, &query)).await
    }

    async fn count(&self, query: &EntityQuery) -> Result<u64, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| count(connection, &query)).await
    }
}

#[async_trait]
impl DatabaseContents for SqliteEntityStore {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| contents(connection, &query)).await
    }
}

fn contents(connection: &Connection, query: &ContentsQuery) -> Outcome<Vec<String>> {
    refuse_views(query).map_err(Failed::Refused)?;
    let after = query.after.as_deref().map(id_of_row).transpose().map_err(Failed::Refused)?;
    let mut statement = connection
        .prepare_cached("SELECT id, revision, body FROM entities WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query(params![after.unwrap_or_default(), clamp(query.limit)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, revision, body): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let document = query.documents.then_some(body.as_str());
        page.push(primary_row(&id, Some(&revision), document).map_err(Failed::Refused)?);
    }
    Ok(page)
}

/// `<generation>-<hex>`, as CouchDB makes them. Random, so that a document deleted and made anew never has a revision that
/// somebody still remembers.
fn next_revision(previous: Option<&Revision>) -> Revision {
    let generation =
        previous.and_then(|Revision(text)| text.split('-').next()?.parse::<u64>().ok()).unwrap_or(0);
    Revision(format!("{}-{}", generation + 1, uuid::Uuid::new_v4().simple()))
}

/// The collection's number in the file: never changed, only added to.
const fn number(collection: Collection) -> i64 {
    match collection {
        Collection::Actions => 1,
        Collection::Triggers => 2,
        Collection::Rules => 3,
        Collection::Packages => 4,
    }
}

fn collection(number: i64) -> Outcome<Collection> {
    match number {
        1 => Ok(Collection::Actions),
        2 => Ok(Collection::Triggers),
        3 => Ok(Collection::Rules),
        4 => Ok(Collection::Packages),
        other => corrupt(format_args!("an entity is of the unknown collection {other}")),
    }
}

fn body(id: &FullyQualifiedName, text: &str) -> Outcome<Box<RawValue>> {
    serde_json::from_str(text).or_else(|error| corrupt(format_args!("the document '{id}': {error}")))
}

fn get(connection: &Connection, id: FullyQualifiedName) -> Outcome<Option<Stored<EntityDocument>>> {
    let mut statement = connection
        .prepare_cached("SELECT revision, collection, updated, body FROM entities WHERE id = ?1")?;
    let mut rows = statement.query([id.to_string()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (collection, updated) = (collection(row.get(1)?)?, row.get(2)?);
    let body = body(&id, row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(Some(Stored {
        revision: Revision(row.get(0)?),
        document: EntityDocument { id, collection, updated, body },
    }))
}

fn put(
    connection: &Connection,
    document: &EntityDocument,
    expected: Option<Revision>,
    revision: Revision,
) -> Outcome<Revision> {
    let (id, kind) = (document.id.to_string(), number(document.collection));
    let (public, body) = (document.is_public_package(), document.body.get());
    let written = match expected {
        Some(Revision(expected)) => connection
            .prepare_cached(
                "UPDATE entities SET collection = ?3, updated = ?4, public = ?5, revision = ?6, body = ?7
                 WHERE id = ?1 AND revision = ?2",
            )?
            .execute(params![id, expected, kind, document.updated, public, revision.0, body])?,
        None => {
            let path = &document.id.path;
            let package = path.package.as_ref().map(|_| path.to_string());
            connection
                .prepare_cached("INSERT OR IGNORE INTO entities VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
                .execute(params![
                    id,
                    path.namespace.as_str(),
                    package,
                    kind,
                    document.updated,
                    public,
                    revision.0,
                    body
                ])?
        }
    };
    match written {
        0 => Err(Failed::Refused(StoreError::Conflict)),
        _ => Ok(revision),
    }
}

fn delete(connection: &Connection, id: &str, expected: &Revision) -> Outcome<()> {
    let found: Option<String> = connection
        .prepare_cached("SELECT revision FROM entities WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match found {
        None => return Err(Failed::Refused(StoreError::NotFound)),
        Some(found) if found != expected.0 => return Err(Failed::Refused(StoreError::Conflict)),
        Some(_) => {}
    }
    connection.prepare_cached("DELETE FROM entities WHERE id = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM attachments WHERE document = ?1")?.execute([id])?;
    Ok(())
}

fn list(connection: &Connection, query: &EntityQuery) -> Outcome<Vec<EntityDocument>> {
    // Each index holds its list in order: nothing is sorted, and nothing is read that is not shown or skipped.
    let (index, condition) = match (&query.path.package, query.public_only) {
        (Some(_), false) => ("entities_by_package", "package_path = ?1"),
        (Some(_), true) => ("entities_by_package", "package_path = ?1 AND public = 1"),
        (None, false) => ("entities_by_root", "root = ?1"),
        (None, true) => ("entities_public", "root = ?1 AND public = 1"),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, updated, body FROM entities INDEXED BY {index} WHERE {condition} AND collection = ?2
         ORDER BY updated DESC, rowid DESC LIMIT ?3 OFFSET ?4"
    ))?;
    let limit = query.limit.map_or(-1, clamp);
    let mut rows = statement.query(params![
        query.path.to_string(),
        number(query.collection),
        limit,
        clamp(query.skip)
    ])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(document(row, query.collection)?);
    }
    Ok(documents)
}

/// SQLite counts with signed numbers.
pub(super) fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn document(row: &Row<'_>, collection: Collection) -> Outcome<EntityDocument> {
    let text: String = row.get(0)?;
    // The id is complete, so the default namespace is never used.
    let id = EntityName::new("_")
        .and_then(|unused| FullyQualifiedName::parse(&text, &unused))
        .or_else(|error| corrupt(format_args!("the document id '{text}': {error}")))?;
    let body = body(&id, row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(EntityDocument { id, collection, updated: row.get(1)?, body })
}

fn count(connection: &Connection, query: &EntityQuery) -> Outcome<u64> {
    let count: i64 = connection
        .prepare_cached(
            "SELECT coalesce(sum(n), 0) FROM entity_counts WHERE scope = ?1 AND collection = ?2 AND public >= ?3",
        )?
        .query_row(params![query.path.to_string(), number(query.collection), query.public_only], |row| row.get(0))?;
    u64::try_from(count).or_else(|_| corrupt("a count of entities is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_count_generations() {
        let first = next_revision(None);
        let second = next_revision(Some(&first));
        assert!(first.0.starts_with("1-") && second.0.starts_with("2-"), "{first:?} {second:?}");
        assert_eq!(first.0.len(), 2 + 32);
        assert!(next_revision(Some(&Revision("9-abc".to_owned()))).0.starts_with("10-"));
    }
}
