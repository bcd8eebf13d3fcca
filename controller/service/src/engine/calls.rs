//! Blocking calls: the client waits for the result, and for no more than it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_controller::{Admitted, Called, InFlight, Refused};
use oxwhisk_core::entity::{Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::record::RecordKind;
use oxwhisk_dispatch::{Event, Lane, Message};
use tokio::sync::oneshot;

use super::live::{Live, Ready};
use super::{Core, unavailable};

pub(super) async fn call(
    core: &Arc<Core>,
    admitted: Admitted,
    slot: InFlight,
    wait: Duration,
) -> Result<Called, Refused> {
    let Some(admissions) = core.admissions.get() else { return Err(unavailable()) };
    let dispatch = match admissions.dispatch(&admitted, 1) {
        Ok(dispatch) => dispatch,
        Err(error) => {
            tracing::error!(activation_id = %admitted.id(), %error, "cannot dispatch an activation");
            let record = admitted.record(Response::error(Status::WhiskError, &error.to_string()));
            if admitted.store().stores(record.response.status)
                && core.parts.records.record(&record, RecordKind::Result, None).await.is_err()
            {
                return Err(unavailable());
            }
            return Ok(Called::Ended(record));
        }
    };
    let id = admitted.id();
    let message =
        Message { id, lane: lane(core, &admitted).await, delivery: admitted.delivery(), attempt: 1 };
    let (client, mut answer) = oneshot::channel();
    let until = Instant::now() + wait;
    let mut dispatching = admissions.dispatching(&dispatch);
    let live = Live::call(Ready::new(admitted, dispatch), client, slot, core.config.retry_first);
    {
        let mut state = core.state();
        if state.draining || state.calls >= core.config.max_calls {
            dispatching.refused(&"no more calls are taken");
            return Err(unavailable());
        }
        state.insert(id, Live { dispatching: Some(dispatching), ..live });
        core.handle(&mut state, Event::Call(message));
    }
    let _caller = Caller { core, id };
    let answered = match tokio::time::timeout_at(until.into(), &mut answer).await {
        Ok(answered) => answered,
        Err(_elapsed) => {
            {
                let mut state = core.state();
                core.handle(&mut state, Event::WaitOver(id));
            }
            // As long as it takes to write the note, which has a limit.
            answer.await
        }
    };
    answered.unwrap_or_else(|_| Err(unavailable()))
}

/// The lane that a note would go to. While the bus is away calls go on, and any will do: it takes no note now.
async fn lane(core: &Core, admitted: &Admitted) -> Lane {
    match core.parts.bus.choose_lane(admitted.namespace().as_str()).await {
        Ok(lane) => Lane(lane.0),
        Err(error) => {
            tracing::debug!(%error, "no lane can be chosen");
            Lane(0)
        }
    }
}

/// Tells when the request ends, with an answer or without.
struct Caller<'a> {
    core: &'a Arc<Core>,
    id: ActivationId,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let mut state = self.core.state();
        // Mostly it was answered, and there is nobody to give up.
        if state.live.get(&self.id).is_some_and(|live| live.client.is_some()) {
            self.core.handle(&mut state, Event::CallerGone(self.id));
        }
    }
}
