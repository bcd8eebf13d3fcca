//! Admits records that invokers sent.

use std::sync::Arc;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{NotAnEnvelope, RecordEnvelope, RecordOrigin};
use oxwhisk_store::RecordDocument;
use oxwhisk_ticket::{Claims, Ticket, TicketError, TicketIssuer};

/// A record that lies on `completed` and is not taken into the store.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    #[error(transparent)]
    Envelope(#[from] NotAnEnvelope),
    #[error(transparent)]
    Ticket(#[from] TicketError),
    #[error("it is no record: {0}")]
    Record(#[from] serde_json::Error),
    #[error("its ticket is for {field} '{claimed}', and it says '{said}'")]
    Mismatch { field: &'static str, claimed: String, said: String },
}

/// A record that its ticket entitles to.
#[derive(Debug)]
pub struct Admission {
    pub origin: RecordOrigin,
    pub activation_id: ActivationId,
    pub document: RecordDocument,
}

/// Checks records against their tickets. A ticket whose deadline is over still admits its record, which may have waited
/// on the bus for days; and it admits nothing but the record of its own activation, so showing it again changes nothing.
#[derive(Debug)]
pub struct TicketedRecords(Arc<TicketIssuer>);

impl TicketedRecords {
    #[must_use]
    pub fn new(tickets: Arc<TicketIssuer>) -> Self {
        Self(tickets)
    }

    /// Reads what an invoker produced. `updated` is the time of writing in milliseconds since the epoch.
    ///
    /// # Errors
    /// When no controller vouches for it, or it is of another activation, namespace, subject or action than the ticket.
    pub fn admit(&self, payload: &[u8], updated: i64) -> Result<Admission, NotAdmitted> {
        let envelope = RecordEnvelope::decode(payload)?;
        let claims = self.0.verify(&Ticket::from_bytes(envelope.ticket.to_vec()))?;
        let record = Activation::from_document(envelope.document)?;
        check(&claims, &record)?;
        let document = RecordDocument::from_activation(&record, updated);
        Ok(Admission { origin: envelope.origin, activation_id: record.activation_id, document })
    }
}

fn check(claims: &Claims, record: &Activation) -> Result<(), NotAdmitted> {
    let same = |field, claimed: &str, said: &str| match claimed == said {
        true => Ok(()),
        false => Err(NotAdmitted::Mismatch { field, claimed: claimed.to_owned(), said: said.to_owned() }),
    };
    same("activation", &claims.activation_id.to_string(), &record.activation_id.to_string())?;
    same("namespace", claims.namespace.as_str(), record.namespace.as_str())?;
    same("subject", &claims.subject, &record.subject)?;
    same("action", claims.action.name.as_str(), record.name.as_str())
}
