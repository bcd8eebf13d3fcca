//! All stores of one deployment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oxwhisk_store::{
    ActivationStore, AttachmentStore, DatabaseContents, EntityStore, StoreError, SubjectStore,
};
use tokio_util::sync::CancellationToken;

use crate::attachment::{CouchAttachmentStore, Staging};
use crate::client::{Client, ClientError};
use crate::config::CouchConfig;
use crate::contents::CouchContents;
use crate::database::Database;
use crate::design::{self, Design};
use crate::entity::CouchEntityStore;
use crate::record::CouchActivationStore;
use crate::subject::CouchSubjectStore;

/// Pause between two attempts to get ready.
const PAUSE: Duration = Duration::from_secs(2);

/// Why there are no stores.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a client for CouchDB")]
pub struct ConnectError(#[from] ClientError);

/// The stores over one CouchDB. They may be asked at once; they serve well when [`CouchStores::prepare`] has succeeded.
#[derive(Debug)]
pub struct CouchStores {
    entities: Arc<CouchEntityStore>,
    attachments: Arc<CouchAttachmentStore>,
    activations: Arc<CouchActivationStore>,
    subjects: Arc<CouchSubjectStore>,
    databases: [(Database, &'static [Design]); 3],
    create: bool,
    is_ready: AtomicBool,
}

impl CouchStores {
    /// Asks nothing of the server.
    ///
    /// # Errors
    /// When the certificate authority cannot be read.
    pub fn new(config: &CouchConfig) -> Result<Self, ConnectError> {
        let client = Client::new(config)?;
        let database = |name: &str| Database::new(Arc::clone(&client), name);
        let names = &config.databases;
        let (entities, activations, subjects) =
            (database(&names.entities), database(&names.activations), database(&names.subjects));
        let staging = Arc::new(Staging::new(config.max_staged_bytes));
        let attachments =
            CouchAttachmentStore::new(entities.clone(), Arc::clone(&staging), config.max_inline_bytes);
        Ok(Self {
            attachments: Arc::new(attachments),
            entities: Arc::new(CouchEntityStore::new(entities.clone(), staging, config)),
            activations: Arc::new(CouchActivationStore::new(activations.clone(), config)),
            subjects: Arc::new(CouchSubjectStore::new(subjects.clone())),
            databases: [
                (entities, design::OF_ENTITIES),
                (activations, design::OF_ACTIVATIONS),
                (subjects, design::OF_SUBJECTS),
            ],
            create: config.create,
            is_ready: AtomicBool::new(false),
        })
    }

    /// Makes databases (where the configuration says so) and design documents that are missing, and waits until views
    /// have been built.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also when a view takes longer to build than a slow request may take.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        for (database, _) in &self.databases {
            self.prepare_database(database).await?;
        }
        for (database, designs) in &self.databases {
            for design in *designs {
                design.ensure(database).await?;
            }
        }
        for (database, designs) in &self.databases {
            for design in *designs {
                design.warm_up(database).await?;
            }
        }
        self.is_ready.store(true, Ordering::Release);
        Ok(())
    }

    /// [`CouchStores::prepare`] again and again until it succeeds or `stop` is cancelled. Says whether it has succeeded.
    pub async fn prepare_until_ready(&self, stop: &CancellationToken) -> bool {
        let prepared = async {
            while let Err(error) = self.prepare().await {
                tracing::warn!(%error, "CouchDB is not ready");
                tokio::time::sleep(PAUSE).await;
            }
        };
        stop.run_until_cancelled(prepared).await.is_some()
    }

    async fn prepare_database(&self, database: &Database) -> Result<(), StoreError> {
        if database.exists().await? {
            return Ok(());
        }
        let name = database.name();
        if !self.create {
            return Err(StoreError::Unavailable(format!(
                "CouchDB has no database '{name}', and 'oxwhisk.couchdb.create' does not say to make it"
            )));
        }
        tracing::info!(database = name, "making a database");
        database.create().await
    }

    /// Asks whether the server answers for each of the databases.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn answer(&self) -> Result<(), StoreError> {
        for (database, _) in &self.databases {
            if !database.exists().await? {
                let name = database.name();
                return Err(StoreError::Unavailable(format!("CouchDB has no database '{name}' any more")));
            }
        }
        Ok(())
    }

    /// Whether [`CouchStores::prepare`] has succeeded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
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
    pub fn activations(&self) -> Arc<dyn ActivationStore> {
        Arc::clone(&self.activations) as _
    }

    #[must_use]
    pub fn subjects(&self) -> Arc<dyn SubjectStore> {
        Arc::clone(&self.subjects) as _
    }

    /// The database of entities, row by row.
    #[must_use]
    pub fn entity_contents(&self) -> Arc<dyn DatabaseContents> {
        self.contents(0)
    }

    /// The database of records, row by row.
    #[must_use]
    pub fn activation_contents(&self) -> Arc<dyn DatabaseContents> {
        self.contents(1)
    }

    /// The database of subjects and limits, row by row.
    #[must_use]
    pub fn subject_contents(&self) -> Arc<dyn DatabaseContents> {
        self.contents(2)
    }

    fn contents(&self, place: usize) -> Arc<dyn DatabaseContents> {
        Arc::new(CouchContents(self.databases[place].0.clone()))
    }
}
