//! Telling others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_controller::Announcer;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_messaging::{Bus, BusError, Channel};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::message::{self, Change};
use super::pending::Pending;

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// What this controller has to tell others, and the telling of it.
#[derive(Debug)]
pub struct Announcements {
    /// As others know this controller.
    instance: String,
    pending: Mutex<Pending>,
    added: Notify,
}

impl Announcements {
    #[must_use]
    pub fn new(instance: impl Into<String>) -> Self {
        Self { instance: instance.into(), pending: Mutex::default(), added: Notify::new() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, change: Change) {
        self.pending().add(change);
        self.added.notify_one();
    }

    /// Tells what comes until `stop`, and then, once, what is left.
    pub async fn tell(self: Arc<Self>, bus: Arc<dyn Bus>, stop: CancellationToken) {
        let mut pause = PAUSE_FIRST;
        loop {
            let told = self.tell_all(bus.as_ref()).await;
            if stop.is_cancelled() || matches!(told, Err(BusError::Closed)) {
                return;
            }
            let rest = async {
                match &told {
                    Ok(()) => self.added.notified().await,
                    Err(error) => {
                        tracing::debug!(%error, "other controllers are told of changes later");
                        tokio::time::sleep(pause).await;
                    }
                }
            };
            stop.run_until_cancelled(rest).await;
            pause = if told.is_ok() { PAUSE_FIRST } else { (pause * 2).min(PAUSE_LONGEST) };
        }
    }

    async fn tell_all(&self, bus: &dyn Bus) -> Result<(), BusError> {
        loop {
            let Some(change) = self.pending().take() else { return Ok(()) };
            if let Err(error) = self.tell_one(bus, &change).await {
                self.pending().add(change);
                return Err(error);
            }
        }
    }

    async fn tell_one(&self, bus: &dyn Bus, change: &Change) -> Result<(), BusError> {
        let payload = message::encode(change, &self.instance)
            .map_err(|error| BusError::Unavailable(error.to_string()))?;
        // Changes of one entity stay in order among themselves.
        let key = if let Change::Entity(id) = change { id } else { "" };
        bus.publish(Channel::CacheInvalidation, key, Bytes::from(payload)).await
    }
}

impl Announcer for Announcements {
    fn entity_changed(&self, id: &FullyQualifiedName) {
        self.add(Change::Entity(id.to_string()));
    }
}
