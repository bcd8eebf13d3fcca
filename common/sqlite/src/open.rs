//! Opening connections, and bringing a file to the current schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::OpenError;

/// What a committed write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// A power cut.
    Full,
    /// The death of the process; a power cut loses the last commits and nothing else.
    Normal,
}

/// How a file is used.
#[derive(Clone, Debug)]
pub struct Settings {
    pub synchronous: Synchronous,
    /// Bytes in a page of a new file.
    pub page_bytes: u32,
    /// Page cache of each connection, KiB.
    pub cache_kib: u32,
    /// Connections that read at the same time.
    pub readers: usize,
    /// Requests that may wait for the writer; further callers wait for a place.
    pub queue: usize,
    /// Pages in the write-ahead log at which they are carried over to the file.
    pub checkpoint_pages: u32,
    /// How long writes that nobody waits for may wait for company.
    pub linger: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            page_bytes: 4096,
            cache_kib: 2048,
            readers: 3,
            queue: 1024,
            checkpoint_pages: 1024,
            linger: Duration::from_millis(50),
        }
    }
}

/// The steps that make a file's tables. A file's version is the number of steps it has taken, so steps are only ever
/// appended.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    pub steps: &'static [&'static str],
}

/// How long a connection waits for another's short exclusive moments (recovery, a restart of the log).
const BUSY: Duration = Duration::from_secs(10);

/// Opens the writing connection, and makes or migrates the tables.
pub(crate) fn writer(path: &Path, schema: Schema, settings: &Settings) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    configure(&connection, settings).map_err(failed)?;
    prepare_log(&connection, settings).map_err(failed)?;
    migrate(&connection, path, schema)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(crate) fn reader(path: &Path, settings: &Settings) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection, settings)?;
    Ok(connection)
}

/// Opens a connection that does nothing but carry the log over to the file.
pub(crate) fn checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", 16)?;
    Ok(connection)
}

fn configure(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -i64::from(settings.cache_kib))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")
}

fn prepare_log(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", settings.page_bytes)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    let synchronous = match settings.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    let limit = 8 * i64::from(settings.page_bytes) * i64::from(settings.checkpoint_pages);
    connection.pragma_update_and_check(None, "journal_size_limit", limit, |_| Ok(()))
}

fn migrate(connection: &Connection, path: &Path, schema: Schema) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = schema.steps.len() as i64;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| schema.steps.get(found..)) else {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    for step in missing {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}
