//! Stores: traits in the domain's words, and the implementations behind them.
//!
//! - [`EntityStore`]: actions, packages, triggers and rules as documents with revisions;
//! - [`AttachmentStore`]: code, kept beside its document;
//! - [`ActivationStore`]: records, written in batches, listed newest first;
//! - [`SubjectStore`]: who may call, and with which limits;
//! - [`DatabaseContents`]: each of their databases row by row, for administrators.
//!
//! `sqlite` is the embedded default, `memory` is for tests. Every implementation passes the same `conformance` suite.

mod activation;
mod attachment;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contents;
mod entity;
mod error;
#[cfg(feature = "memory")]
pub mod memory;
mod record;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod subject;

pub use activation::{ActivationQuery, ActivationStore};
pub use attachment::{AttachmentStore, StoredAttachment, Superseded};
pub use contents::{ContentsQuery, DatabaseContents, ViewName};
pub use entity::{Collection, EntityDocument, EntityQuery, EntityStore, Stored};
pub use error::StoreError;
pub use record::RecordDocument;
pub use subject::SubjectStore;
