//! Ending containers, frozen and paused ones too.

use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::StreamExt;
use futures_util::stream;
use oxwhisk_container::ContainerError;
use tokio::time::Instant;

use crate::engine::{Engine, EngineError};
use crate::freezer::Freezer;
use crate::names::Owner;

/// Containers that are removed at once in a clean-up.
const PARALLEL: usize = 8;
/// Between looks at a container that somebody else is removing.
const PAUSE: Duration = Duration::from_millis(50);

/// Ends a container that is not suspended, and removes it with its volumes. One that is gone is no error.
///
/// # Errors
/// When the daemon does not do it within its time.
pub(crate) async fn remove(engine: &Engine, id: &str) -> Result<(), EngineError> {
    const WHAT: &str = "remove a container";
    let limit = engine.timeouts.remove;
    let deadline = Instant::now() + limit;
    loop {
        let call = || {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            engine.docker.remove_container(id, Some(options))
        };
        match engine.patiently(WHAT, limit, call).await {
            Ok(()) | Err(EngineError::NotFound(_)) => return Ok(()),
            // It is being removed already: done when it is gone.
            Err(error @ EngineError::Conflict(_)) if Instant::now() >= deadline => return Err(error),
            Err(EngineError::Conflict(_)) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}

/// Lets a container go on that was suspended in either way; whether it was does not matter.
pub(crate) async fn wake(engine: &Engine, id: &str) -> Result<(), EngineError> {
    let call = || engine.docker.inspect_container(id, None::<InspectContainerOptions>);
    let container = match engine.patiently("look at a container", engine.timeouts.inspect, call).await {
        Ok(container) => container,
        Err(EngineError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let state = container.state.unwrap_or_default();
    if state.paused == Some(true) {
        let call = || engine.docker.unpause_container(id);
        match engine.patiently("unpause a container", engine.timeouts.unpause, call).await {
            // It ended or was removed meanwhile.
            Ok(())
            | Err(EngineError::NotFound(_) | EngineError::Conflict(_) | EngineError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(freezer) = state.pid.filter(|pid| *pid > 0).and_then(|pid| Freezer::of(id, pid)) {
        // Else the group is gone, and the container with it.
        let _ = freezer.set(false);
    }
    Ok(())
}

/// Removes every container of the owner, whatever its state.
///
/// # Errors
/// The first failure; the rest is removed all the same.
pub(crate) async fn remove_all(engine: &Engine, owner: &Owner) -> Result<(), ContainerError> {
    let call = || {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&owner.filter()).build();
        engine.docker.list_containers(Some(options))
    };
    let list = engine.patiently("list containers", engine.timeouts.list, call).await;
    let found: Vec<ContainerSummary> = list.map_err(|error| ContainerError(error.to_string()))?;
    let ids: Vec<String> = found.into_iter().filter_map(|container| container.id).collect();
    if !ids.is_empty() {
        tracing::info!(count = ids.len(), "removing containers");
    }
    let removals = ids.into_iter().map(|id| async move {
        wake(engine, &id).await?;
        remove(engine, &id).await
    });
    let outcomes: Vec<Result<(), EngineError>> =
        stream::iter(removals).buffer_unordered(PARALLEL).collect().await;
    outcomes.into_iter().collect::<Result<(), _>>().map_err(|error| ContainerError(error.to_string()))
}
