//! How records lie on `completed`.

use std::error::Error;
use std::fmt;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::record::{RecordKind, RecordOrigin};
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::RecordError;
use oxwhisk_store::RecordDocument;
use oxwhisk_ticket::Ticket;

/// How records are put on the bus, and which of those that lie there are believed.
pub trait RecordForm: fmt::Debug + Send + Sync + 'static {
    /// A record of this process as it goes on the bus. Without a ticket this process vouches for it. `updated` is the time
    /// of writing in milliseconds since the epoch.
    ///
    /// # Errors
    /// When it has no such form, and never will have.
    fn encode(
        &self,
        record: &Activation,
        kind: RecordKind,
        ticket: Option<&Ticket>,
        updated: i64,
    ) -> Result<Vec<u8>, RecordError>;

    /// The span in which a message was put on the bus, if that is told and recorded.
    fn trace(&self, _payload: &[u8]) -> Option<TraceContext> {
        None
    }

    /// What is to be stored of a message. `updated` as above, for forms that leave it to the writer.
    ///
    /// # Errors
    /// Why nothing is.
    fn admit(&self, payload: &[u8], updated: i64) -> Result<RecordDocument, NotAdmittable>;
}

/// Why a message of `completed` is not stored; for the log.
pub type NotAdmittable = Box<dyn Error + Send + Sync>;

/// Documents as they are stored, on a bus that nobody else reaches.
#[derive(Debug)]
pub(super) struct PlainForm {
    /// Of this process, in which an activation runs once.
    run: u64,
}

impl PlainForm {
    pub(super) fn new() -> Self {
        Self { run: rand::random() }
    }
}

impl RecordForm for PlainForm {
    fn encode(
        &self,
        record: &Activation,
        kind: RecordKind,
        _ticket: Option<&Ticket>,
        updated: i64,
    ) -> Result<Vec<u8>, RecordError> {
        let origin = RecordOrigin::of(kind, self.run, record);
        Ok(RecordDocument::encode_activation(record, updated, origin))
    }

    fn admit(&self, payload: &[u8], _updated: i64) -> Result<RecordDocument, NotAdmittable> {
        Ok(RecordDocument::decode(payload)?)
    }
}
