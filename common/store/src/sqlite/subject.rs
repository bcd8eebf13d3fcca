//! Subjects in SQLite: the documents, and beside them a table to find identities by.

use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Identity, Subject};
use oxwhisk_sqlite::{Database, DirectoryLock, Failed};
use rusqlite::{Connection, OptionalExtension, params};
use subtle::ConstantTimeEq;

use super::entity::clamp;
use super::error::{Outcome, corrupt};
use crate::contents::{id_of_row, primary_row, refuse_views};
use crate::{ContentsQuery, DatabaseContents, StoreError, SubjectStore};

#[derive(Debug)]
pub struct SqliteSubjectStore {
    database: Arc<Database>,
    _lock: Arc<DirectoryLock>,
}

impl SqliteSubjectStore {
    pub(super) fn new(database: Arc<Database>, lock: Arc<DirectoryLock>) -> Self {
        Self { database, _lock: lock }
    }
}

#[async_trait]
impl SubjectStore for SqliteSubjectStore {
    async fn identity_by_key(&self, key: &AuthKey) -> Result<Option<Identity>, StoreError> {
        let key = key.clone();
        self.database.read(move |connection| identity_by_key(connection, &key)).await
    }

    async fn identity_by_namespace(&self, namespace: &EntityName) -> Result<Option<Identity>, StoreError> {
        let namespace = namespace.clone();
        self.database.read(move |connection| Ok(of_namespace(connection, &namespace, 1)?.pop())).await
    }

    async fn subject(&self, subject: &str) -> Result<Option<Subject>, StoreError> {
        let name = subject.to_owned();
        self.database.read(move |connection| subject_document(connection, &name)).await
    }

    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError> {
        let subject = subject.clone();
        self.database.write(move |connection| put_subject(connection, &subject)).await
    }

    async fn subjects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Subject>, StoreError> {
        let after = after.map(str::to_owned);
        self.database.read(move |connection| subjects(connection, after.as_deref(), limit)).await
    }

    async fn set_blocked(&self, subject: &str, blocked: bool) -> Result<(), StoreError> {
        let name = subject.to_owned();
        self.database
            .write(move |connection| match subject_document(connection, &name)? {
                Some(subject) => put_subject(connection, &Subject { blocked, ..subject }),
                None => Err(Failed::Refused(StoreError::NotFound)),
            })
            .await
    }

    async fn delete_subject(&self, subject: &str) -> Result<(), StoreError> {
        let name = subject.to_owned();
        self.database
            .write(move |connection| {
                // Its identities go with it, by their foreign key.
                match connection.prepare_cached("DELETE FROM subjects WHERE subject = ?1")?.execute([name])? {
                    0 => Err(Failed::Refused(StoreError::NotFound)),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn identities(&self, namespace: &EntityName) -> Result<Vec<Identity>, StoreError> {
        let namespace = namespace.clone();
        self.database.read(move |connection| of_namespace(connection, &namespace, i64::MAX)).await
    }

    async fn limits(&self, namespace: &EntityName) -> Result<Option<UserLimits>, StoreError> {
        let namespace = namespace.clone();
        self.database.read(move |connection| limits(connection, &namespace)).await
    }

    async fn put_limits(
        &self,
        namespace: &EntityName,
        limits: Option<&UserLimits>,
    ) -> Result<(), StoreError> {
        let unwritable = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
        let document = limits.map(serde_json::to_string).transpose().map_err(unwritable)?;
        let namespace = namespace.clone();
        self.database.write(move |connection| put_limits(connection, &namespace, document)).await
    }
}

/// How uuids are compared: an old document may spell its own otherwise than a client's key does.
fn canonical(uuid: &str) -> String {
    uuid::Uuid::try_parse(uuid).map_or_else(|_| uuid.to_owned(), |uuid| uuid.hyphenated().to_string())
}

fn put_subject(connection: &Connection, subject: &Subject) -> Outcome<()> {
    let document = serde_json::to_string(subject).or_else(corrupt)?;
    connection
        .prepare_cached(
            "INSERT INTO subjects VALUES (?1, ?2) ON CONFLICT DO UPDATE SET document = excluded.document",
        )?
        .execute(params![subject.subject, document])?;
    connection.prepare_cached("DELETE FROM identities WHERE subject = ?1")?.execute([&subject.subject])?;
    if subject.blocked {
        return Ok(());
    }
    let mut insert = connection.prepare_cached("INSERT INTO identities VALUES (?1, ?2, ?3, ?4)")?;
    for namespace in &subject.namespaces {
        let auth = &namespace.auth;
        insert.execute(params![subject.subject, namespace.name.as_str(), canonical(&auth.uuid), auth.key])?;
    }
    Ok(())
}

fn subject_document(connection: &Connection, name: &str) -> Outcome<Option<Subject>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT document FROM subjects WHERE subject = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    let read = |text: String| {
        serde_json::from_str(&text).or_else(|error| corrupt(format_args!("the subject '{name}': {error}")))
    };
    text.map(read).transpose()
}

fn subjects(connection: &Connection, after: Option<&str>, limit: usize) -> Outcome<Vec<Subject>> {
    // No subject has an empty name.
    let sql = "SELECT subject, document FROM subjects WHERE subject > ?1 ORDER BY subject LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![after.unwrap_or_default(), clamp(limit as u64)])?;
    let mut subjects = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, text): (String, String) = (row.get(0)?, row.get(1)?);
        let subject = serde_json::from_str(&text)
            .or_else(|error| corrupt(format_args!("the subject '{name}': {error}")))?;
        subjects.push(subject);
    }
    Ok(subjects)
}

/// The documents of subjects, and the limits of namespaces, as one database has them.
fn contents(connection: &Connection, query: &ContentsQuery) -> Outcome<Vec<String>> {
    refuse_views(query).map_err(Failed::Refused)?;
    let after = query.after.as_deref().map(id_of_row).transpose().map_err(Failed::Refused)?;
    let sql = "SELECT id, document FROM
                   (SELECT subject AS id, document FROM subjects
                    UNION ALL SELECT namespace || '/limits' AS id, document FROM limits)
               WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![after.unwrap_or_default(), clamp(query.limit)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, document): (String, String) = (row.get(0)?, row.get(1)?);
        let document = query.documents.then_some(document.as_str());
        page.push(primary_row(&id, None, document).map_err(Failed::Refused)?);
    }
    Ok(page)
}

#[async_trait]
impl DatabaseContents for SqliteSubjectStore {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        self.database.read(move |connection| contents(connection, &query)).await
    }
}

fn identity_by_key(connection: &Connection, key: &AuthKey) -> Outcome<Option<Identity>> {
    let sql = "SELECT subject, namespace, uuid, key FROM identities WHERE uuid = ?1 LIMIT ?2";
    let mut matching = identities(connection, sql, &canonical(&key.uuid), i64::MAX)?;
    matching.retain(|identity| identity.auth.key.as_bytes().ct_eq(key.key.as_bytes()).into());
    match matching.len() {
        0 | 1 => Ok(matching.pop()),
        _ => Err(Failed::Refused(StoreError::Ambiguous)),
    }
}

fn of_namespace(connection: &Connection, namespace: &EntityName, limit: i64) -> Outcome<Vec<Identity>> {
    let sql =
        "SELECT subject, namespace, uuid, key FROM identities WHERE namespace = ?1 ORDER BY rowid LIMIT ?2";
    identities(connection, sql, namespace.as_str(), limit)
}

fn identities(connection: &Connection, sql: &str, wanted: &str, limit: i64) -> Outcome<Vec<Identity>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![wanted, limit])?;
    let mut identities = Vec::new();
    while let Some(row) = rows.next()? {
        let (subject, name): (String, String) = (row.get(0)?, row.get(1)?);
        let namespace = EntityName::new(&name).or_else(|error| {
            corrupt(format_args!("the namespace '{name}' of the subject '{subject}': {error}"))
        })?;
        let limits = limits(connection, &namespace)?.unwrap_or_default();
        let auth = AuthKey { uuid: row.get(2)?, key: row.get(3)? };
        identities.push(Identity { subject: subject.into(), namespace, auth, limits });
    }
    Ok(identities)
}

fn limits(connection: &Connection, namespace: &EntityName) -> Outcome<Option<UserLimits>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT document FROM limits WHERE namespace = ?1")?
        .query_row([namespace.as_str()], |row| row.get(0))
        .optional()?;
    let Some(text) = text else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(limits) => Ok(Some(limits)),
        Err(error) => {
            tracing::warn!(%namespace, %error, "the limits of a namespace cannot be read, the defaults apply");
            Ok(None)
        }
    }
}

fn put_limits(connection: &Connection, namespace: &EntityName, document: Option<String>) -> Outcome<()> {
    let namespace = namespace.as_str();
    match document {
        Some(document) => connection
            .prepare_cached(
                "INSERT INTO limits VALUES (?1, ?2) ON CONFLICT DO UPDATE SET document = excluded.document",
            )?
            .execute([namespace, &document])?,
        None => connection.prepare_cached("DELETE FROM limits WHERE namespace = ?1")?.execute([namespace])?,
    };
    Ok(())
}
