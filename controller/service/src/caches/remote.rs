//! The caches of all controllers, for administrators.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use oxwhisk_controller::Controller;
use oxwhisk_controller_admin::Caches;

use super::Announcements;
use super::message::Change;

/// Forgets here at once, and everywhere else as soon as that can be told.
#[derive(Debug)]
pub struct SharedCaches {
    /// There from when the controller runs; before that it has nothing to forget.
    controller: Arc<OnceLock<Arc<Controller>>>,
    announcements: Arc<Announcements>,
}

impl SharedCaches {
    #[must_use]
    pub fn new(controller: Arc<OnceLock<Arc<Controller>>>, announcements: Arc<Announcements>) -> Self {
        Self { controller, announcements }
    }
}

#[async_trait]
impl Caches for SharedCaches {
    async fn forget_identities(&self) {
        if let Some(controller) = self.controller.get() {
            controller.invalidate_identities();
        }
        self.announcements.add(Change::Identities);
    }

    async fn forget_entities(&self) {
        if let Some(controller) = self.controller.get() {
            controller.invalidate_entities();
        }
        self.announcements.add(Change::Entities);
    }
}
