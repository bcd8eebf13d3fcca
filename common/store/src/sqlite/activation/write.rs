//! Writing a batch of records.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::Outcome;
use super::counters::Changes;
use super::id_bytes;
use crate::RecordDocument;

/// Writes records, each once: one that is there already is replaced.
pub(super) fn store(connection: &Connection, records: &[RecordDocument]) -> Outcome<()> {
    let mut keys = Keys { connection, known: HashMap::new() };
    let mut changes = Changes::default();
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO records (namespace_key, filter_key, start, id, summary, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for record in records {
        let namespace = keys.number(record.namespace.as_str(), "")?;
        let filter = keys.number(record.namespace.as_str(), &record.filter_name)?;
        let id = id_bytes(record.activation_id)?;
        let inserted = insert.execute(params![
            namespace,
            filter,
            record.start,
            id,
            &*record.summary,
            &*record.document
        ])?;
        if inserted == 0 {
            let old = replace(connection, record, (namespace, filter), id)?;
            changes.add([namespace, old.filter], old.start, -1);
        }
        changes.add([namespace, filter], record.start, 1);
    }
    changes.apply(connection)
}

/// Where a record was listed before it was replaced.
struct Place {
    filter: i64,
    start: i64,
}

fn replace(
    connection: &Connection,
    record: &RecordDocument,
    (namespace, filter): (i64, i64),
    id: [u8; 16],
) -> Outcome<Place> {
    let (seq, old): (i64, Place) = connection
        .prepare_cached("SELECT seq, filter_key, start FROM records WHERE id = ?1 AND namespace_key = ?2")?
        .query_row(params![id, namespace], |row| {
            Ok((row.get(0)?, Place { filter: row.get(1)?, start: row.get(2)? }))
        })?;
    connection
        .prepare_cached(
            "UPDATE records SET filter_key = ?2, start = ?3, summary = ?4, document = ?5 WHERE seq = ?1",
        )?
        .execute(params![seq, filter, record.start, &*record.summary, &*record.document])?;
    Ok(old)
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
