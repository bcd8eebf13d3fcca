//! Reading records, lists and counts.

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_sqlite::Failed;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::entity::clamp;
use super::super::error::{Outcome, corrupt};
use super::counters::List;
use super::{id_bytes, write};
use crate::contents::{id_of_row, primary_row, refuse_views};
use crate::{ActivationQuery, ContentsQuery};

/// Up to here it is cheaper to step over entries of the index than to look for the place in the counters.
const STEPPED_OVER: i64 = 1000;

/// What a list shows of each record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Summary,
    Document,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Document => "document",
        }
    }
}

pub(super) fn get(
    connection: &Connection,
    namespace: &EntityName,
    id: ActivationId,
) -> Outcome<Option<String>> {
    let Some(key) = write::key(connection, namespace.as_str(), "")? else { return Ok(None) };
    let mut statement =
        connection.prepare_cached("SELECT document FROM records WHERE id = ?1 AND namespace_key = ?2")?;
    Ok(statement.query_row(params![id_bytes(id)?, key], |row| row.get(0)).optional()?)
}

pub(super) fn existing(connection: &Connection, ids: &[(EntityName, ActivationId)]) -> Outcome<Vec<bool>> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM records WHERE id = ?1 AND namespace_key = (SELECT id FROM keys WHERE namespace = ?2 AND filter = '')",
    )?;
    let mut found = Vec::with_capacity(ids.len());
    for (namespace, id) in ids {
        found.push(statement.exists(params![id_bytes(*id)?, namespace.as_str()])?);
    }
    Ok(found)
}

/// The list a query is about; `None` when no record ever was in it.
fn of_query(connection: &Connection, query: &ActivationQuery) -> Outcome<Option<List>> {
    let filter = query.name.as_deref().unwrap_or("");
    let key = write::key(connection, query.namespace.as_str(), filter)?;
    Ok(key.map(|key| List { key, by_name: query.name.is_some() }))
}

pub(super) fn list(connection: &Connection, column: Column, query: &ActivationQuery) -> Outcome<Vec<String>> {
    let Some(list) = of_query(connection, query)? else { return Ok(Vec::new()) };
    let Some((upto, skip)) = start(connection, list, query)? else { return Ok(Vec::new()) };
    let (index, key) = list.index();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM records INDEXED BY {index} WHERE {key} = ?1 AND start BETWEEN ?2 AND ?3
         ORDER BY start DESC, seq DESC LIMIT ?4 OFFSET ?5",
        column.name()
    ))?;
    let since = query.since.unwrap_or(i64::MIN);
    let limit = query.limit.map_or(-1, clamp);
    let rows = statement.query_map(params![list.key, since, upto, limit, skip], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// From which time on the list is read, and how many records are stepped over there.
fn start(connection: &Connection, list: List, query: &ActivationQuery) -> Outcome<Option<(i64, i64)>> {
    match clamp(query.skip) {
        skip if skip <= STEPPED_OVER => Ok(Some((query.upto.unwrap_or(i64::MAX), skip))),
        skip => list.seek(connection, query.since, query.upto, skip),
    }
}

pub(super) fn count(connection: &Connection, query: &ActivationQuery) -> Outcome<u64> {
    let Some(list) = of_query(connection, query)? else { return Ok(0) };
    let count = list.count(connection, query.since, query.upto)?;
    u64::try_from(count).or_else(|_| corrupt("a count of activations is negative"))
}

/// Rows by activation id and then by the number of the namespace, an order for which there is an index.
pub(super) fn contents(connection: &Connection, query: &ContentsQuery) -> Outcome<Vec<String>> {
    refuse_views(query).map_err(Failed::Refused)?;
    let (after_id, after_key) = match &query.after {
        Some(row) => place(connection, &id_of_row(row).map_err(Failed::Refused)?)?,
        None => ([0; 16], -1),
    };
    let mut statement = connection.prepare_cached(
        "SELECT keys.namespace || '/' || lower(hex(records.id)), document
         FROM records JOIN keys ON keys.id = namespace_key
         WHERE (records.id, namespace_key) > (?1, ?2) ORDER BY records.id, namespace_key LIMIT ?3",
    )?;
    let mut rows = statement.query(params![after_id, after_key, clamp(query.limit)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, document): (String, String) = (row.get(0)?, row.get(1)?);
        let document = query.documents.then_some(document.as_str());
        page.push(primary_row(&id, None, document).map_err(Failed::Refused)?);
    }
    Ok(page)
}

/// Where the record `namespace/id` stands in that order.
fn place(connection: &Connection, id: &str) -> Outcome<([u8; 16], i64)> {
    let parsed = id.split_once('/').and_then(|(namespace, id)| Some((namespace, id.parse().ok()?)));
    let Some((namespace, id)) = parsed else { return corrupt(format_args!("'{id}' is no id of a record")) };
    Ok((id_bytes(id)?, write::key(connection, namespace, "")?.unwrap_or(-1)))
}
