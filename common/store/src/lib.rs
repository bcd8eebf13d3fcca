//! Stores: traits in the domain's words, and the implementations behind them.
//!
//! - [`EntityStore`]: actions, packages, triggers and rules as documents with revisions;
//! - [`AttachmentStore`]: code, kept beside its document;
//! - [`ActivationStore`]: records, written in batches, listed newest first;
//! - [`SubjectStore`]: who may call, and with which limits.
//!
//! `sqlite` is the embedded default, `memory` is for tests. Every implementation passes the same `conformance` suite.

mod activation;
mod attachment;
mod entity;
mod error;
mod subject;

pub use activation::{ActivationQuery, ActivationStore, RecordDocument};
pub use attachment::{AttachmentStore, StoredAttachment};
pub use entity::{Collection, EntityDocument, EntityQuery, EntityStore, Stored};
pub use error::StoreError;
pub use subject::SubjectStore;
