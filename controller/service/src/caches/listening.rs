//! Hearing others.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::{Controller, Sharing};
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_messaging::{Bus, BusError, BusStatus, Channel, Heard};
use tokio_util::sync::CancellationToken;

use super::message::{self, Change};

const PAUSE: Duration = Duration::from_secs(1);

/// Makes one controller forget what others have changed.
#[derive(Debug)]
pub struct Listening {
    /// As others know this controller.
    pub instance: String,
    pub controller: Arc<Controller>,
    pub sharing: Sharing,
    pub bus: Arc<dyn Bus>,
}

impl Listening {
    /// Listens until `stop`, or until the bus is closed.
    pub async fn run(self, stop: CancellationToken) {
        let listening = async {
            loop {
                match self.listen().await {
                    BusError::Closed => return,
                    error => tracing::warn!(%error, "changes made by other controllers are not heard of"),
                }
                self.sharing.set_hearing(false);
                tokio::time::sleep(PAUSE).await;
            }
        };
        stop.run_until_cancelled(listening).await;
        self.sharing.set_hearing(false);
    }

    /// Until that is not possible any more, for this reason.
    async fn listen(&self) -> BusError {
        let mut listener = match self.bus.listen(Channel::CacheInvalidation, Duration::ZERO).await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        // What was said before is not known.
        self.forget(&Change::Everything);
        let mut status = self.bus.status();
        loop {
            let available = *status.borrow_and_update() == BusStatus::Available;
            self.sharing.set_hearing(available);
            tokio::select! {
                heard = listener.next() => match heard {
                    Ok(heard) => self.take(heard),
                    Err(error) => return error,
                },
                changed = status.changed() => if changed.is_err() {
                    return BusError::Closed;
                },
            }
        }
    }

    fn take(&self, heard: Heard) {
        let Heard::Message { payload, .. } = heard else { return self.forget(&Change::Everything) };
        match message::decode(&payload, &self.instance) {
            Ok(Some(change)) => self.forget(&change),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "what was said of a change cannot be read"),
        }
    }

    fn forget(&self, change: &Change) {
        tracing::debug!(?change, "forgetting what was changed elsewhere");
        match change {
            // What is no name of an entity is in no cache.
            Change::Entity(id) => {
                if let Some(id) = entity(id) {
                    self.controller.invalidate_entity(&id);
                }
            }
            Change::Entities => self.controller.invalidate_entities(),
            Change::Identities => self.controller.invalidate_identities(),
            Change::Everything => {
                self.controller.invalidate_entities();
                self.controller.invalidate_identities();
            }
        }
    }
}

/// The entity whose document has this id.
fn entity(id: &str) -> Option<FullyQualifiedName> {
    let namespace = EntityName::new(id.split('/').next()?).ok()?;
    FullyQualifiedName::parse(id, &namespace).ok()
}
