//! Deleting records that are too old.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxwhisk_sqlite::Database;
use rusqlite::{Connection, params};

use super::super::entity::clamp;
use super::super::error::Outcome;
use super::counters::Changes;
use crate::StoreError;

/// Records deleted in one transaction: few enough that records on their way in hardly wait.
const BATCH: u64 = 500;

const STACK_BYTES: usize = 256 * 1024;

/// Young records that are passed over in search of old ones, because records are not written quite in the order of
/// their starts.
const OUT_OF_ORDER: u64 = 1000;

/// Deletes old records now and then, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(in super::super) struct Retention {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Retention {
    pub(in super::super) fn start(
        database: Arc<Database>,
        keep: Duration,
        interval: Duration,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("sqlite-retention".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || run(&database, keep, interval, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that deletes old activations panicked");
        }
    }
}

fn run(database: &Database, keep: Duration, interval: Duration, stopped: &Receiver<()>) {
    let mut pause = Duration::ZERO;
    while matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
        pause = match delete_batch(database, oldest_kept(keep)) {
            // There may be more: at once, but behind whatever waits for the writer.
            Ok(BATCH) => Duration::ZERO,
            Ok(_) => interval,
            Err(error) => {
                tracing::warn!(%error, "old activations could not be deleted");
                interval
            }
        };
    }
}

/// Milliseconds since the epoch.
fn oldest_kept(keep: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(keep).as_millis()).unwrap_or(i64::MAX)
}

fn delete_batch(database: &Database, time: i64) -> Result<u64, StoreError> {
    let (sender, outcome) = sync_channel(1);
    database.write_behind(
        move |connection| delete_before(connection, time, BATCH),
        // Nobody listens any more when the store is being closed.
        move |deleted: Result<u64, StoreError>| drop(sender.try_send(deleted)),
    )?;
    outcome.recv().map_err(|_| StoreError::Unavailable("the store is being closed".to_owned()))?
}

/// See [`super::SqliteActivationStore::delete_before`].
pub(super) fn delete_before(connection: &Connection, time: i64, limit: u64) -> Outcome<u64> {
    // Records come in about the order of their starts, so the old ones are the first by sequence number. Another index
    // would only serve this.
    let mut old = connection.prepare_cached(
        "SELECT seq, namespace_key, filter_key, start
         FROM (SELECT seq, namespace_key, filter_key, start FROM records ORDER BY seq LIMIT ?1)
         WHERE start < ?2 LIMIT ?3",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM records WHERE seq = ?1")?;
    let mut changes = Changes::default();
    let found: Vec<(i64, [i64; 2], i64)> = old
        .query_map(params![clamp(limit.saturating_add(OUT_OF_ORDER)), time, clamp(limit)], |row| {
            Ok((row.get(0)?, [row.get(1)?, row.get(2)?], row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for &(seq, keys, start) in &found {
        delete.execute([seq])?;
        changes.add(keys, start, -1);
    }
    changes.apply(connection)?;
    Ok(found.len() as u64)
}
