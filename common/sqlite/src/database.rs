//! One file: its writer and its readers.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use crate::open::{self, Schema, Settings};
use crate::readers::Readers;
use crate::writer::Writer;
use crate::{DatabaseError, Failed, OpenError};

/// An open file. Dropping it carries out what still waits, and closes it.
#[derive(Debug)]
pub struct Database {
    writer: Writer,
    readers: Readers,
}

impl Database {
    /// Opens the file, makes it if there is none, and migrates an older one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, schema: Schema, settings: &Settings) -> Result<Self, OpenError> {
        let connection = open::writer(path, schema, settings)?;
        let file: Arc<str> = path.display().to_string().into();
        let readers = Readers::new(path.to_owned(), Arc::clone(&file), settings.clone());
        let writer = Writer::start(connection, path, file, settings)?;
        Ok(Self { writer, readers })
    }

    /// Runs `work` in the next transaction; returns after its commit. An error undoes this work and no other.
    ///
    /// # Errors
    /// What `work` refuses with, or what the file fails with.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    {
        self.write_then(work, |_: &mut Result<T, E>| ()).await
    }

    /// As [`Database::write`], and calls `then` with the outcome on the writer thread, in the order of the writes and
    /// before the next transaction begins. It must be quick.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_then<T, E, F, A>(&self, work: F, then: A) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
        A: FnOnce(&mut Result<T, E>) + Send + 'static,
    {
        self.writer.write(work, then).await
    }

    /// Hands in work that nobody waits for: it joins the next transaction, or gets one of its own after
    /// [`Settings::linger`]. A caller may have only one such work waiting, which bounds them.
    ///
    /// # Errors
    /// [`DatabaseError::Closed`], or [`DatabaseError::Unavailable`] when too many are waiting. Then nothing is done.
    pub fn write_behind<T, E, F, A>(&self, work: F, then: A) -> Result<(), DatabaseError>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
        A: FnOnce(Result<T, E>) + Send + 'static,
    {
        self.writer.write_behind(work, then)
    }

    /// Runs `work` on a snapshot of the committed state.
    ///
    /// # Errors
    /// What `work` refuses with, or what the file fails with.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    {
        self.readers.read(work).await
    }

    /// As [`Database::read`], on the calling thread: for programs that are starting up.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub fn read_now<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<DatabaseError>,
        F: FnOnce(&Connection) -> Result<T, Failed<E>>,
    {
        self.readers.read_now(work)
    }
}
