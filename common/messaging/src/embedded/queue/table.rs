//! A topic's table.

use bytes::Bytes;
use oxwhisk_sqlite::Failed;
use rusqlite::{Connection, params};

use super::state::{Bounds, Completions, Deleted};
use crate::{BusError, Delivery, DeliveryId, Topic};

#[derive(Clone, Copy, Debug)]
pub(super) struct Table(&'static str);

impl Table {
    pub(super) const fn of(topic: Topic) -> Self {
        Self(topic.name())
    }

    /// How many messages there are, and the highest id.
    pub(super) fn extent<E>(self, connection: &Connection) -> Result<(u64, u64), Failed<E>> {
        let sql = format!("SELECT count(*), coalesce(max(id), 0) FROM \"{}\"", self.0);
        Ok(connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    pub(super) fn insert(self, connection: &Connection, id: u64, message: &Delivery) -> rusqlite::Result<()> {
        let sql = format!("INSERT INTO \"{}\" (id, key, payload, attempt) VALUES (?1, ?2, ?3, ?4)", self.0);
        connection.prepare_cached(&sql)?.execute(params![
            id,
            message.key,
            &message.payload[..],
            message.attempt
        ])?;
        Ok(())
    }

    /// The first messages behind `after` and up to `upto`, as many as may wait in memory, but one if there is any.
    pub(super) fn page(
        self,
        connection: &Connection,
        after: u64,
        upto: u64,
        bounds: Bounds,
    ) -> Result<Vec<Delivery>, Failed<BusError>> {
        let sql = format!(
            "SELECT id, key, payload, attempt FROM \"{}\" WHERE id > ?1 AND id <= ?2 ORDER BY id",
            self.0
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![after, upto])?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < bounds.pending_messages && bytes < bounds.pending_bytes {
            let Some(row) = rows.next()? else { break };
            let payload: Vec<u8> = row.get(2)?;
            bytes += payload.len();
            page.push(Delivery {
                id: DeliveryId::of_offset(row.get(0)?),
                key: row.get(1)?,
                attempt: row.get(3)?,
                again: false,
                payload: Bytes::from(payload),
            });
        }
        Ok(page)
    }

    /// Deletes what was completed and withdrawn; returns the ids of those that were there.
    pub(super) fn delete(
        self,
        connection: &Connection,
        completions: &Completions,
    ) -> rusqlite::Result<Deleted> {
        let mut deleted = Deleted::default();
        let sql = format!("DELETE FROM \"{}\" WHERE id = ?1", self.0);
        let mut by_id = connection.prepare_cached(&sql)?;
        for id in &completions.ids {
            if by_id.execute([id])? > 0 {
                deleted.completed.push(*id);
            }
        }
        let sql = format!("DELETE FROM \"{}\" WHERE key = ?1 RETURNING id", self.0);
        let mut by_key = connection.prepare_cached(&sql)?;
        for key in &completions.keys {
            for id in by_key.query_map([key], |row| row.get(0))? {
                deleted.withdrawn.push(id?);
            }
        }
        Ok(deleted)
    }
}
