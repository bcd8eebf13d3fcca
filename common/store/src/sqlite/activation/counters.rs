//! The table of counters: how it is kept, and what is read from it.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::super::error::Outcome;
use super::buckets::{self, Piece, TOTAL_LEVEL, bucket};

/// What a batch changes, gathered so that each counter is written once.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<(i64, usize, i64), i64>);

impl Changes {
    /// A record that starts at `start` comes (1) or goes (-1) in the lists of `keys`.
    pub(super) fn add(&mut self, keys: [i64; 2], start: i64, change: i64) {
        for key in keys {
            for level in 0..=TOTAL_LEVEL {
                *self.0.entry((key, level, bucket(level, start))).or_default() += change;
            }
        }
    }

    /// Writes them, in the table's order.
    pub(super) fn apply(&self, connection: &Connection) -> Outcome<()> {
        let mut change = connection.prepare_cached(
            "INSERT INTO counters VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?;
        let mut clear = connection
            .prepare_cached("DELETE FROM counters WHERE key = ?1 AND level = ?2 AND bucket = ?3 AND n = 0")?;
        for (&(key, level, bucket), &n) in &self.0 {
            if n != 0 {
                change.execute(params![key, level as i64, bucket, n])?;
            }
            if n < 0 {
                clear.execute(params![key, level as i64, bucket])?;
            }
        }
        Ok(())
    }
}

/// One of the two lists that a record is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) key: i64,
    /// Of a name in the namespace; else of the whole namespace.
    pub(super) by_name: bool,
}

impl List {
    /// The index that holds the list in order, and its column.
    pub(super) const fn index(self) -> (&'static str, &'static str) {
        if self.by_name {
            ("records_by_filter", "filter_key")
        } else {
            ("records_by_namespace", "namespace_key")
        }
    }

    /// How many records start between `since` and `upto`, both included.
    pub(super) fn count(
        self,
        connection: &Connection,
        since: Option<i64>,
        upto: Option<i64>,
    ) -> Outcome<i64> {
        let mut sum = 0;
        for piece in buckets::pieces(since, upto) {
            sum += self.count_piece(connection, piece)?;
        }
        Ok(sum)
    }

    fn count_piece(self, connection: &Connection, piece: Piece) -> Outcome<i64> {
        let (level, first, last) = match piece {
            Piece::Exact { first, last } => return self.count_exactly(connection, first, last),
            Piece::Buckets { level, first, last } => (level, first, last),
            Piece::Total => (TOTAL_LEVEL, 0, 0),
        };
        let mut statement = connection.prepare_cached(
            "SELECT coalesce(sum(n), 0) FROM counters WHERE key = ?1 AND level = ?2 AND bucket BETWEEN ?3 AND ?4",
        )?;
        Ok(statement.query_row(params![self.key, level as i64, first, last], |row| row.get(0))?)
    }

    fn count_exactly(self, connection: &Connection, first: i64, last: i64) -> Outcome<i64> {
        let (index, column) = self.index();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT count(*) FROM records INDEXED BY {index} WHERE {column} = ?1 AND start BETWEEN ?2 AND ?3"
        ))?;
        Ok(statement.query_row(params![self.key, first, last], |row| row.get(0))?)
    }

    /// Skips as many of the latest records as whole buckets hold. Returns the latest time from which to go on, and how
    /// many are still to be skipped from there; `None` when there are no more than are to be skipped.
    pub(super) fn seek(
        self,
        connection: &Connection,
        since: Option<i64>,
        upto: Option<i64>,
        skip: i64,
    ) -> Outcome<Option<(i64, i64)>> {
        let mut left = skip;
        for piece in buckets::cut(since, upto) {
            let n = self.count_piece(connection, piece)?;
            if n > left {
                return self.seek_in(connection, piece, left).map(Some);
            }
            left -= n;
        }
        Ok(None)
    }

    /// As [`List::seek`], in a piece that holds more than are to be skipped.
    fn seek_in(self, connection: &Connection, piece: Piece, skip: i64) -> Outcome<(i64, i64)> {
        let (mut piece, mut left) = (piece, skip);
        loop {
            let Piece::Buckets { level, first, last } = piece else {
                let Piece::Exact { last, .. } = piece else { return Ok((i64::MAX, left)) };
                return Ok((last, left));
            };
            let (bucket, rest) = self.skip_buckets(connection, (level, first, last), left)?;
            left = rest;
            match buckets::children(level, bucket) {
                Some(finer) => piece = finer,
                None => return Ok((buckets::span(level, bucket).1, left)),
            }
        }
    }

    /// The bucket in which the record lies that comes after `skip` later ones, and how many to skip within it.
    fn skip_buckets(
        self,
        connection: &Connection,
        (level, first, last): (usize, i64, i64),
        skip: i64,
    ) -> Outcome<(i64, i64)> {
        let mut statement = connection.prepare_cached(
            "SELECT bucket, n FROM counters WHERE key = ?1 AND level = ?2 AND bucket BETWEEN ?3 AND ?4
             ORDER BY bucket DESC",
        )?;
        let mut rows = statement.query(params![self.key, level as i64, first, last])?;
        let mut left = skip;
        while let Some(row) = rows.next()? {
            let (bucket, n): (i64, i64) = (row.get(0)?, row.get(1)?);
            if n > left {
                return Ok((bucket, left));
            }
            left -= n;
        }
        super::corrupt(format_args!("the counters of level {level} do not add up"))
    }
}
