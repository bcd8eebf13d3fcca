//! The daemon's events: one stream for all containers of the invoker, so that none has to be asked after.
//!
//! When the stream breaks it is opened again, and every container that was thought to run is looked at: what happened
//! meanwhile, a restart of the daemon for one, is in no event.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptionsBuilder, InspectContainerOptions};
use futures_util::StreamExt;
use oxwhisk_container::ExitReason;

use crate::engine::{Engine, EngineError, Pauses};
use crate::lives::{Lives, reason_of_code};
use crate::names::Owner;

/// A stream begins this long before it is asked for: clocks differ, and an event that comes twice changes nothing.
const OVERLAP: Duration = Duration::from_secs(10);

/// Follows the events for ever.
pub(crate) async fn follow(engine: Engine, owner: Owner, lives: Lives) {
    let mut pauses = Pauses::endless(&engine.retry);
    loop {
        if follow_once(&engine, &owner, &lives).await {
            pauses = Pauses::endless(&engine.retry);
        }
        let pause = pauses.next().unwrap_or(engine.retry.max_pause);
        tracing::debug!(pause_ms = pause.as_millis(), "the stream of Docker events has ended");
        tokio::time::sleep(pause).await;
    }
}

/// Follows one stream to its end; whether it told anything.
async fn follow_once(engine: &Engine, owner: &Owner, lives: &Lives) -> bool {
    let options = EventsOptionsBuilder::new().since(&since()).filters(&filters(owner)).build();
    let mut events = engine.docker.events(Some(options));
    let mut look = Box::pin(look_at_all(engine, lives));
    let mut looked = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => apply(&event, lives),
                Some(Err(_)) | None => return looked,
            },
            reached = &mut look, if !looked => {
                if !reached {
                    return false;
                }
                looked = true;
            }
        }
    }
}

fn filters(owner: &Owner) -> HashMap<String, Vec<String>> {
    let mut filters = owner.filter();
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), ["die", "oom", "destroy"].map(str::to_owned).to_vec());
    filters
}

fn since() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(OVERLAP).as_secs().to_string()
}

fn apply(event: &EventMessage, lives: &Lives) {
    let Some(actor) = &event.actor else { return };
    let Some(id) = &actor.id else { return };
    match event.action.as_deref() {
        Some("oom") => lives.out_of_memory(id),
        Some("die") => {
            let code =
                actor.attributes.as_ref().and_then(|attributes| attributes.get("exitCode")?.parse().ok());
            lives.ended(id, reason_of_code(code.unwrap_or(-1)));
        }
        // Somebody else removed it.
        Some("destroy") => lives.ended(id, ExitReason::Signalled(SIGKILL)),
        _ => {}
    }
}

const SIGKILL: i32 = 9;

/// Whether the daemon could be asked.
async fn look_at_all(engine: &Engine, lives: &Lives) -> bool {
    for id in lives.running() {
        if let Err(error) = look_at(engine, lives, &id).await {
            tracing::debug!(container = id, %error, "cannot look at a container");
            return false;
        }
    }
    // With nothing to look at, silence must not be taken for an answer.
    engine.ping().await.is_ok()
}

/// Asks the daemon about one container and notes its end.
///
/// # Errors
/// When the daemon does not tell.
pub(crate) async fn look_at(engine: &Engine, lives: &Lives, id: &str) -> Result<(), EngineError> {
    let call = engine.docker.inspect_container(id, None::<InspectContainerOptions>);
    match engine.once("look at a container", engine.timeouts.inspect, call).await {
        Ok(container) => {
            let state = container.state.unwrap_or_default();
            if state.running != Some(true) && has_started(&state) {
                let killed = state.oom_killed == Some(true);
                let reason = reason_of_code(state.exit_code.unwrap_or(-1));
                lives.ended(id, if killed { ExitReason::OutOfMemory } else { reason });
            }
            Ok(())
        }
        Err(EngineError::NotFound(_)) => {
            lives.ended(id, ExitReason::Signalled(SIGKILL));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// One that is only created has not ended.
fn has_started(state: &bollard::models::ContainerState) -> bool {
    state.status != Some(bollard::models::ContainerStateStatusEnum::CREATED)
}
