//! Records, on their way to the bus.

use std::sync::Arc;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_dispatch::{RecordEnvelope, RecordKind, RecordOrigin};
use oxwhisk_invoker_api::{RecordContext, RecordError, RecordSink};
use oxwhisk_messaging::{BusError, Receipt, Topic};
use oxwhisk_ticket::Ticket;

use super::shell::Shell;

#[derive(Debug)]
pub(super) struct Outbox(pub(super) Arc<Shell>);

impl RecordSink for Outbox {
    fn accept(&self, record: &Arc<Activation>, of: RecordContext<'_>) -> Result<(), RecordError> {
        let id = record.activation_id;
        let Some(ticket) = of.ticket else {
            return Err(RecordError { reason: "it has no ticket".to_owned(), lasting: true });
        };
        let vouched = Vouched { origin: self.origin(record, ticket), ticket, trace: of.trace };
        let produced = match self.produce(record, vouched) {
            // As JSON, logs may take several times what their own limit counts.
            Err(BusError::TooLarge { size, limit }) if !record.logs.is_empty() => {
                tracing::warn!(activation_id = %id, size, limit, "a record is kept without its logs");
                self.produce(&record.stripped_of_logs(limit), vouched)
            }
            produced => produced,
        };
        let receipt = produced.map_err(|error| RecordError {
            lasting: matches!(error, BusError::TooLarge { .. } | BusError::Closed),
            reason: error.to_string(),
        })?;
        if receipt.is_durable() {
            self.0.durable(id);
            return Ok(());
        }
        let shell = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            match receipt.wait().await {
                Ok(()) => shell.durable(id),
                // Whoever waits for it finds this invoker gone, and acts on that.
                Err(error) => tracing::error!(activation_id = %id, %error, "a record may be lost"),
            }
        });
        Ok(())
    }
}

/// What an envelope says beside the record.
#[derive(Clone, Copy)]
struct Vouched<'a> {
    origin: RecordOrigin,
    ticket: &'a Ticket,
    trace: Option<TraceContext>,
}

impl Outbox {
    /// A life of an invoker runs an attempt once, so that the two name the run.
    fn origin(&self, record: &Activation, ticket: &Ticket) -> RecordOrigin {
        let attempt = ticket.unverified().map_or(0, |claims| claims.attempt);
        let run = self.0.identity.incarnation.wrapping_add(u64::from(attempt));
        RecordOrigin::of(RecordKind::Result, run, record)
    }

    fn produce(&self, record: &Activation, of: Vouched<'_>) -> Result<Receipt, BusError> {
        let Vouched { origin, ticket, trace } = of;
        let document = record.to_document(record.end);
        let envelope = RecordEnvelope { origin, trace, ticket: ticket.as_bytes(), document: &document };
        let bytes = envelope.encode().map_err(|error| BusError::Unavailable(error.to_string()))?;
        self.0.bus.produce_now(Topic::Completed, &record.activation_id.to_string(), bytes)
    }

    /// Hands a record over that was refused, again and again until it is taken, or never can be.
    pub(super) async fn hand_over(&self, record: &Arc<Activation>, of: RecordContext<'_>) {
        while let Err(error) = self.accept(record, of) {
            tracing::error!(activation_id = %record.activation_id, %error, "a record waits for the bus");
            let pause = tokio::time::sleep(self.0.options.hand_over_pause);
            if error.lasting || self.0.stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }
}
