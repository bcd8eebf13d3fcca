//! Connections that read, opened when they are first needed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::open::{self, Settings};
use crate::{DatabaseError, Failed};

#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: Arc<str>,
    settings: Settings,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, file: Arc<str>, settings: Settings) -> Self {
        let permits = Arc::new(Semaphore::new(settings.readers));
        Self { shared: Arc::new(Shared { path, file, settings, idle: Mutex::default() }), permits }
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    {
        let closed = || DatabaseError::Closed { file: Arc::clone(&self.shared.file) };
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let answer = shared.run(work);
            drop(permit);
            answer
        });
        done.await.map_err(|_| closed())?
    }

    pub(crate) fn read_now<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<DatabaseError>,
        F: FnOnce(&Connection) -> Result<T, Failed<E>>,
    {
        self.shared.run(work)
    }
}

impl Shared {
    /// Runs the work on one snapshot of the database.
    fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<DatabaseError>,
        F: FnOnce(&Connection) -> Result<T, Failed<E>>,
    {
        let failed = |error: &rusqlite::Error| E::from(DatabaseError::sqlite(&self.file, error));
        let connection = self.take().map_err(|error| failed(&error))?;
        let snapshot = connection.unchecked_transaction().map_err(|error| failed(&error))?;
        let outcome = work(&snapshot);
        drop(snapshot);
        match outcome {
            Ok(value) => {
                self.give(connection);
                Ok(value)
            }
            Err(Failed::Refused(error)) => {
                self.give(connection);
                Err(error)
            }
            // A connection that failed is not used again: what is wrong may be its own.
            Err(Failed::Sqlite(error)) => Err(failed(&error)),
        }
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| open::reader(&self.path, &self.settings), Ok)
    }

    fn give(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
