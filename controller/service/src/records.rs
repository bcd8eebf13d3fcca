//! Records in envelopes: how a controller puts its own on the bus, and which of those that lie there it admits.

use std::sync::Arc;

use oxwhisk_controller::{NotAdmittable, RecordForm};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{InvokerId, Revision};
use oxwhisk_core::name::{EntityPath, FullyQualifiedName};
use oxwhisk_core::trace::TraceContext;
use oxwhisk_dispatch::{NotAnEnvelope, RecordEnvelope, RecordKind, RecordOrigin};
use oxwhisk_invoker_api::RecordError;
use oxwhisk_store::RecordDocument;
use oxwhisk_ticket::{Claims, Ticket, TicketError, TicketIssuer};
use sha2::{Digest, Sha256};

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

/// Checks records against their tickets. A ticket whose deadline is over still admits its record, which may have waited
/// on the bus for days; and it admits nothing but the record of its own activation, so showing it again changes nothing.
#[derive(Debug)]
pub struct TicketedRecords {
    tickets: Arc<TicketIssuer>,
    /// Of records that this controller makes.
    run: u64,
}

impl TicketedRecords {
    /// `run` names this life of the controller: its incarnation, for example.
    #[must_use]
    pub fn new(tickets: Arc<TicketIssuer>, run: u64) -> Self {
        Self { tickets, run }
    }

    /// Reads what an invoker or a controller produced. `updated` is the time of writing in milliseconds since the epoch.
    ///
    /// # Errors
    /// When no controller vouches for it, or it is of another activation, namespace, subject or action than the ticket.
    pub fn read(&self, payload: &[u8], updated: i64) -> Result<RecordDocument, NotAdmitted> {
        let envelope = RecordEnvelope::decode(payload)?;
        let claims = self.tickets.verify(&Ticket::from_bytes(envelope.ticket.to_vec()))?;
        let record = Activation::from_document(envelope.document)?;
        check(&claims, &record)?;
        let run = run_under(&claims, envelope.origin.run);
        let origin = RecordOrigin { run, ..envelope.origin };
        Ok(RecordDocument::from_activation(&record, updated).with_origin(origin))
    }

    /// A ticket for a record of this controller's own. Nothing else is had for it: its deadline is over.
    fn vouch_for(&self, record: &Activation) -> Result<Ticket, TicketError> {
        let path = EntityPath::new(record.namespace.clone(), None);
        self.tickets.issue(&Claims {
            activation_id: record.activation_id,
            namespace: record.namespace.clone(),
            namespace_uuid: "".into(),
            subject: Arc::clone(&record.subject),
            action: FullyQualifiedName::new(path, record.name.clone()),
            revision: Revision(String::new()),
            invoker: InvokerId(u32::MAX),
            attempt: 0,
            deadline: 0,
            cache: None,
        })
    }
}

impl RecordForm for TicketedRecords {
    fn encode(
        &self,
        record: &Activation,
        kind: RecordKind,
        ticket: Option<&Ticket>,
        updated: i64,
    ) -> Result<Vec<u8>, RecordError> {
        let never = |reason: String| RecordError { reason, lasting: true };
        let own = match ticket {
            Some(_) => None,
            None => Some(self.vouch_for(record).map_err(|error| never(error.to_string()))?),
        };
        let ticket = ticket.or(own.as_ref()).map(Ticket::as_bytes).unwrap_or_default();
        let document = record.to_document(updated);
        let origin = RecordOrigin::of(kind, self.run, record);
        let envelope = RecordEnvelope { origin, trace: None, ticket, document: &document };
        envelope.encode().map_err(|error| never(error.to_string()))
    }

    fn trace(&self, payload: &[u8]) -> Option<TraceContext> {
        RecordEnvelope::decode(payload).ok()?.trace
    }

    fn admit(&self, payload: &[u8], updated: i64) -> Result<RecordDocument, NotAdmittable> {
        Ok(self.read(payload, updated)?)
    }
}

/// The run as stores know it. What an envelope says of its run is only its producer's word, and a run may complete its
/// own record: so the ticket is part of the name, and an invoker that got another attempt of an activation cannot
/// complete, or change, what the first one's run gave.
fn run_under(claims: &Claims, run: u64) -> u64 {
    let mut name = Sha256::new();
    name.update(claims.invoker.0.to_be_bytes());
    name.update(claims.attempt.to_be_bytes());
    name.update(run.to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(name.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
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
