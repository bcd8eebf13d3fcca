//! The embedded stores: two SQLite files in the data directory.
//!
//! `entities.db` (entities, attachments, subjects) waits for the disk with every write; `activations.db` does not,
//! since its records must only survive the process, and stay on the bus until they are in.

mod activation;
mod attachment;
mod entity;
mod error;
mod schema;
mod stores;
mod subject;

pub use activation::SqliteActivationStore;
pub use attachment::SqliteAttachmentStore;
pub use entity::SqliteEntityStore;
pub use oxwhisk_sqlite::OpenError;
pub use stores::{SqliteOptions, SqliteStores};
pub use subject::SqliteSubjectStore;
