//! From a request to its answer.

use std::sync::Arc;

use http::StatusCode;
use oxwhisk_messaging::BusError;

use crate::http::fault::Fault;
use crate::http::reply::Reply;
use crate::invoke::admissions::Invocation;
use crate::invoke::{Admissions, Called, Engine, Refused, outcome};
use crate::throttle::InFlight;

/// Admits, and has the engine run it.
#[derive(Debug)]
pub(crate) struct Invocations {
    pub(crate) admissions: Arc<Admissions>,
    pub(crate) engine: Arc<dyn Engine>,
}

impl Invocations {
    /// Runs the action, or queues it, and answers as the client asked. `slot` is the throttle's, held until the
    /// activation ends.
    pub(crate) async fn invoke(&self, invocation: Invocation, slot: InFlight) -> Result<Reply, Fault> {
        let (wait, result_only) = (invocation.wait, invocation.result_only);
        let transaction = invocation.transaction.clone();
        let mut admitted = self.admissions.admit(invocation).await?;
        let id = admitted.id();
        let Some(wait) = wait else {
            let mut span = self.admissions.watch.sending(&admitted);
            admitted.set_trace(span.context());
            let Err(error) = self.engine.submit(admitted, slot).await else {
                return Ok(outcome::accepted(id));
            };
            span.fail(|| error.to_string());
            let fault = bus_fault(&error);
            return match error {
                // It may be there, and run: whoever looks for it needs its id.
                BusError::TimedOut { .. } => Ok(Reply::fault(&fault, &transaction).with_activation(id)),
                _ => Err(fault),
            };
        };
        if let Some(response) = self.admissions.violation(&admitted) {
            let record = admitted.record(response);
            self.engine.keep(&admitted, &record).await;
            return Ok(outcome::ended(&record, result_only));
        }
        match self.engine.call(admitted, slot, wait).await {
            Ok(Called::Ended(activation)) => Ok(outcome::ended(&activation, result_only)),
            Ok(Called::Accepted) => Ok(outcome::accepted(id)),
            Err(Refused { status, text: Some(text) }) => Err(Fault::terminate(status, text)),
            Err(Refused { status, text: None }) => Err(Fault::status(status)),
        }
    }
}

fn bus_fault(error: &BusError) -> Fault {
    tracing::error!(%error, "the bus did not take an invocation");
    match error {
        BusError::TooLarge { size, limit } => Fault::too_large("Request", *size as u64, *limit as u64),
        BusError::Full { .. }
        | BusError::TimedOut { .. }
        | BusError::Forbidden(_)
        | BusError::Unavailable(_)
        | BusError::Closed => Fault::status(StatusCode::SERVICE_UNAVAILABLE),
    }
}
