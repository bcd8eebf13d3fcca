//! What has to be up for the controller to be ready.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_couchdb::CouchStores;
use oxwhisk_messaging::BusStatus;
use oxwhisk_service::Readiness;
use oxwhisk_service::readiness::Part;
use tokio_util::sync::CancellationToken;

/// Between two looks at a CouchDB that nobody else may be asking.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) couchdb: Part,
    pub(super) kafka: Part,
    pub(super) api: Part,
}

impl Parts {
    pub(super) fn of(readiness: &Readiness) -> Self {
        Self {
            couchdb: readiness.await_part("couchdb"),
            kafka: readiness.await_part("kafka"),
            api: readiness.await_part("api"),
        }
    }
}

pub(super) fn of_bus(status: &BusStatus) -> Result<(), String> {
    match status {
        BusStatus::Available => Ok(()),
        BusStatus::Away(reason) => Err(reason.clone()),
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
