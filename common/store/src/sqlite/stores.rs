//! Opening all of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_sqlite::{Database, DirectoryLock, OpenError, Settings, Synchronous, create_directory};

use super::activation::Retention;
use super::schema;
use super::{SqliteActivationStore, SqliteAttachmentStore, SqliteEntityStore, SqliteSubjectStore};
use crate::{ActivationStore, AttachmentStore, DatabaseContents, EntityStore, SubjectStore};

/// How the files are used.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Page cache of each connection, KiB.
    pub cache_kib: u32,
    /// Connections that read a file at the same time.
    pub readers: usize,
    /// How long activation records are kept; `None` is for ever.
    pub retention: Option<Duration>,
    /// How often too old records are looked for.
    pub retention_interval: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { cache_kib: 2048, readers: 3, retention: None, retention_interval: Duration::from_secs(60) }
    }
}

impl SqliteOptions {
    fn settings(&self, synchronous: Synchronous) -> Settings {
        Settings { synchronous, cache_kib: self.cache_kib, readers: self.readers, ..Settings::default() }
    }
}

/// The stores of one data directory. Dropping it and every store taken from it closes the files.
#[derive(Debug)]
pub struct SqliteStores {
    entities: Arc<SqliteEntityStore>,
    attachments: Arc<SqliteAttachmentStore>,
    subjects: Arc<SqliteSubjectStore>,
    activations: Arc<SqliteActivationStore>,
}

impl SqliteStores {
    /// Opens the stores in `directory`, and makes what is not there.
    ///
    /// # Errors
    /// See [`OpenError`]; a second server on the same directory is refused.
    pub fn open(directory: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        create_directory(directory)?;
        let lock = Arc::new(DirectoryLock::acquire(directory, "lock")?);
        let open = |file: &str, schema, synchronous| {
            Database::open(&directory.join(file), schema, &options.settings(synchronous)).map(Arc::new)
        };
        let entities = open("entities.db", schema::ENTITIES, Synchronous::Full)?;
        // Fully, too: an accepted invocation leaves its queue when its record is here, and must not be lost with it. That
        // is a sync for each batch, off the way of any call.
        let records = open("activations.db", schema::ACTIVATIONS, Synchronous::Full)?;
        let retention = options.retention.map(|keep| {
            Retention::start(Arc::clone(&records), keep, options.retention_interval)
                .map_err(|source| OpenError::Directory { path: directory.to_owned(), source })
        });
        let activations = SqliteActivationStore::new(records, Arc::clone(&lock), retention.transpose()?);
        Ok(Self {
            attachments: Arc::new(SqliteAttachmentStore::new(Arc::clone(&entities), Arc::clone(&lock))),
            subjects: Arc::new(SqliteSubjectStore::new(Arc::clone(&entities), Arc::clone(&lock))),
            entities: Arc::new(SqliteEntityStore::new(entities, lock)),
            activations: Arc::new(activations),
        })
    }

    #[must_use]
    pub fn entities(&self) -> Arc<dyn EntityStore> {
        Arc::clone(&self.entities) as _
    }

    #[must_use]
    pub fn attachments(&self) -> Arc<dyn AttachmentStore> {
        Arc::clone(&self.attachments) as _
    }

    #[must_use]
    pub fn subjects(&self) -> Arc<dyn SubjectStore> {
        Arc::clone(&self.subjects) as _
    }

    #[must_use]
    pub fn activations(&self) -> Arc<dyn ActivationStore> {
        Arc::clone(&self.activations) as _
    }

    /// The database of entities, row by row.
    #[must_use]
    pub fn entity_contents(&self) -> Arc<dyn DatabaseContents> {
        Arc::clone(&self.entities) as _
    }

    /// The database of subjects and limits, row by row.
    #[must_use]
    pub fn subject_contents(&self) -> Arc<dyn DatabaseContents> {
        Arc::clone(&self.subjects) as _
    }

    /// The database of records, row by row.
    #[must_use]
    pub fn activation_contents(&self) -> Arc<dyn DatabaseContents> {
        Arc::clone(&self.activations) as _
    }

    /// The concrete store, for [`SqliteActivationStore::delete_before`].
    #[must_use]
    pub fn sqlite_activations(&self) -> &Arc<SqliteActivationStore> {
        &self.activations
    }
}
