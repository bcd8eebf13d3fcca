//! What can go wrong with a database file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why a data directory or a file in it cannot be used. Every text is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("data directory {} cannot be used: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("data directory {} is in use by the server with process id {holder}", path.display())]
    InUse { path: PathBuf, holder: String },
    #[error("{} is damaged or not a database: {detail}", path.display())]
    Damaged { path: PathBuf, detail: String },
    #[error("{} has schema version {found}; this program knows versions up to {known}", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{} cannot be opened: {detail}", path.display())]
    Unavailable { path: PathBuf, detail: String },
}

impl OpenError {
    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, detail) = (path.to_owned(), error.to_string());
        match is_damage(error) {
            true => Self::Damaged { path, detail },
            false => Self::Unavailable { path, detail },
        }
    }
}

/// Why a request to an open database was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DatabaseError {
    /// What the file holds cannot be read.
    #[error("{file} is damaged: {detail}")]
    Damaged { file: Arc<str>, detail: String },
    /// The disk is full, the file cannot be written, and the like; the same request may succeed later.
    #[error("{file}: {detail}")]
    Unavailable { file: Arc<str>, detail: String },
    /// The database is being closed.
    #[error("{file} is closed")]
    Closed { file: Arc<str> },
}

impl DatabaseError {
    pub(crate) fn sqlite(file: &Arc<str>, error: &rusqlite::Error) -> Self {
        let (file, detail) = (Arc::clone(file), error.to_string());
        match is_damage(error) {
            true => Self::Damaged { file, detail },
            false => Self::Unavailable { file, detail },
        }
    }
}

/// Why a piece of work inside a transaction stops: SQLite failed, or the caller's own rule says no.
#[derive(Debug)]
pub enum Failed<E> {
    Sqlite(rusqlite::Error),
    Refused(E),
}

impl<E> From<rusqlite::Error> for Failed<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..) => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
        ),
    }
}
