//! What has to be up for the controller to be ready.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::{Engine as _, HealthyShare, InvokerCount};
use oxwhisk_couchdb::CouchStores;
use oxwhisk_messaging::BusStatus;
use oxwhisk_service::Readiness;
use oxwhisk_service::readiness::Part;
use tokio_util::sync::CancellationToken;

use crate::ClusterEngine;

/// Between two looks at a CouchDB that nobody else may be asking.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) couchdb: Part,
    pub(super) kafka: Part,
    pub(super) api: Part,
    /// Where it needs any.
    pub(super) invokers: Option<(HealthyShare, Part)>,
}

impl Parts {
    pub(super) fn of(readiness: &Readiness, ready_with: Option<HealthyShare>) -> Self {
        Self {
            couchdb: readiness.await_part("couchdb"),
            kafka: readiness.await_part("kafka"),
            api: readiness.await_part("api"),
            invokers: ready_with.map(|share| (share, readiness.await_part("invokers"))),
        }
    }
}

pub(super) fn of_bus(status: &BusStatus) -> Result<(), String> {
    match status {
        BusStatus::Available => Ok(()),
        BusStatus::Away(reason) => Err(reason.clone()),
    }
}

fn of_invokers(count: InvokerCount, share: HealthyShare) -> Result<(), String> {
    if share.is_reached(count) {
        return Ok(());
    }
    Err(match count {
        InvokerCount { known: 0, .. } => "no invoker is known".to_owned(),
        InvokerCount { healthy, known } => {
            format!("{healthy} of {known} invokers are healthy, and {share} have to be")
        }
    })
}

/// Says whether enough invokers are healthy, now and whenever that changes, until `stop`.
pub(super) async fn follow_invokers(
    engine: Arc<ClusterEngine>,
    (share, part): (HealthyShare, Part),
    stop: CancellationToken,
) {
    let mut changes = engine.fleet_changes();
    loop {
        changes.borrow_and_update();
        match of_invokers(InvokerCount::of(&engine.invokers()), share) {
            Ok(()) => part.ready(),
            Err(reason) => part.unready(reason),
        }
        if !matches!(stop.run_until_cancelled(changes.changed()).await, Some(Ok(()))) {
            return;
        }
    }
}

/// Looks at CouchDB now and then, and says whether it is there, until `stop`.
pub(super) async fn follow_couchdb(stores: Arc<CouchStores>, part: Part, stop: CancellationToken) {
    let mut is_up = true;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        match stores.answer().await {
            Ok(()) if !is_up => {
                tracing::info!("CouchDB is back");
                part.ready();
                is_up = true;
            }
            Ok(()) => {}
            Err(error) => {
                if is_up {
                    tracing::warn!(%error, "CouchDB is away");
                }
                part.unready(error.to_string());
                is_up = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_healthy_invokers_are_told_with_their_numbers() {
        let of = |healthy, known, part| {
            of_invokers(InvokerCount { healthy, known }, HealthyShare::new(part).expect("a share"))
        };
        assert_eq!(of(2, 3, 0.66), Ok(()));
        let reason = "2 of 3 invokers are healthy, and 67% have to be";
        assert_eq!(of(2, 3, 0.67), Err(reason.to_owned()));
        assert_eq!(of(0, 0, 0.5), Err("no invoker is known".to_owned()));
    }
}
