//! Writing a batch of records.

use std::collections::HashMap;

use oxwhisk_core::record::{RecordKind, RecordOrigin};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::Outcome;
use super::counters::Changes;
use super::id_bytes;
use crate::RecordDocument;

/// Writes records, each once: of one that is there already only a more complete version of the same run takes the place.
pub(super) fn store(connection: &Connection, records: &[RecordDocument]) -> Outcome<()> {
    let mut keys = Keys { connection, known: HashMap::new() };
    let mut changes = Changes::default();
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO records (namespace_key, filter_key, start, id, summary, document, run, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for record in records {
        let namespace = keys.number(record.namespace.as_str(), "")?;
        let filter = keys.number(record.namespace.as_str(), &record.filter_name)?;
        let id = id_bytes(record.activation_id)?;
        let (run, version) = run_and_version(record);
        let inserted = insert.execute(params![
            namespace,
            filter,
            record.start,
            id,
            &*record.summary,
            &*record.document,
            run,
            version
        ])?;
        if inserted == 0 {
            let Some(old) = complete(connection, record, (namespace, filter), id)? else { continue };
            changes.add([namespace, old.filter], old.start, -1);
        }
        changes.add([namespace, filter], record.start, 1);
    }
    changes.apply(connection)
}

/// What is kept of where a record comes from: nothing of those that stay whatever comes. SQLite's integers have a sign.
fn run_and_version(record: &RecordDocument) -> (Option<i64>, Option<u32>) {
    let result = record.origin.filter(|origin| origin.kind == RecordKind::Result);
    result.map_or((None, None), |origin| (Some(origin.run.cast_signed()), Some(origin.version)))
}

/// Where a record was listed before its place was taken.
struct Place {
    filter: i64,
    start: i64,
}

/// `None`: what is there stays.
fn complete(
    connection: &Connection,
    record: &RecordDocument,
    (namespace, filter): (i64, i64),
    id: [u8; 16],
) -> Outcome<Option<Place>> {
    let mut find = connection.prepare_cached(
        "SELECT seq, filter_key, start, run, version FROM records WHERE id = ?1 AND namespace_key = ?2",
    )?;
    let (seq, old, origin) = find.query_row(params![id, namespace], |row| {
        let (run, version): (Option<i64>, Option<u32>) = (row.get(3)?, row.get(4)?);
        let origin = run.zip(version).map(|(run, version)| RecordOrigin {
            kind: RecordKind::Result,
            run: run.cast_unsigned(),
            version,
        });
        Ok((row.get::<_, i64>(0)?, Place { filter: row.get(1)?, start: row.get(2)? }, origin))
    })?;
    if !record.completes(origin.as_ref()) {
        return Ok(None);
    }
    let (_, version) = run_and_version(record);
    connection
        .prepare_cached(
            "UPDATE records SET filter_key = ?2, start = ?3, summary = ?4, document = ?5, version = ?6 WHERE seq = ?1",
        )?
        .execute(params![seq, filter, record.start, &*record.summary, &*record.document, version])?;
    Ok(Some(old))
}

/// The numbers of the namespaces and names of one batch. Not kept any longer: if the transaction is undone, so are they.
struct Keys<'a> {
    connection: &'a Connection,
    known: HashMap<(String, String), i64>,
}

impl Keys<'_> {
    fn number(&mut self, namespace: &str, filter: &str) -> Outcome<i64> {
        let pair = (namespace.to_owned(), filter.to_owned());
        if let Some(number) = self.known.get(&pair) {
            return Ok(*number);
        }
        let number = self.find_or_make(namespace, filter)?;
        self.known.insert(pair, number);
        Ok(number)
    }

    fn find_or_make(&self, namespace: &str, filter: &str) -> Outcome<i64> {
        if let Some(number) = key(self.connection, namespace, filter)? {
            return Ok(number);
        }
        self.connection
            .prepare_cached("INSERT INTO keys (namespace, filter) VALUES (?1, ?2)")?
            .execute([namespace, filter])?;
        Ok(self.connection.last_insert_rowid())
    }
}

/// The number of a namespace (`filter` empty) or of a name in it, if any record ever had it.
pub(super) fn key(connection: &Connection, namespace: &str, filter: &str) -> Outcome<Option<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM keys WHERE namespace = ?1 AND filter = ?2")?;
    Ok(statement.query_row([namespace, filter], |row| row.get(0)).optional()?)
}
