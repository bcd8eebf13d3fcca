//! Records that the store may not have yet, here and at other controllers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;

use super::Records;

/// What this controller has, for those who ask it.
pub trait RecordsHere: fmt::Debug + Send + Sync + 'static {
    /// The latest version of a record of that namespace; `None` if the store has it for certain, or it is not known.
    fn held(&self, namespace: &EntityName, id: ActivationId) -> Option<Arc<Activation>>;
}

impl RecordsHere for Records {
    fn held(&self, namespace: &EntityName, id: ActivationId) -> Option<Arc<Activation>> {
        self.pending(namespace, id)
    }
}

/// What other controllers have.
#[async_trait]
pub trait RecordsElsewhere: fmt::Debug + Send + Sync + 'static {
    /// Asks them, for as long as a client may be kept waiting for a 404. Those that cannot be asked have nothing.
    async fn find(&self, namespace: &EntityName, id: ActivationId) -> Option<Activation>;
}
