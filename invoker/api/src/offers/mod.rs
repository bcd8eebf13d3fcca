//! How room is asked for and offered between controllers and invokers.
//!
//! An invoker alone knows its capacity. A controller that found no room tells a few invokers what it *wants*: how much
//! work of which action waits with it. An invoker *offers* each slot that comes free to one controller after the other, and
//! holds it until the offer is taken by a dispatch that names it, declined, or expires. So no capacity is divided by the
//! number of controllers, and nothing is pushed where there is no room.
//!
//! These are the messages, which both sides speak, and the invoker's [`OfferBook`]. It is here and not in the invoker's
//! own crate because it is one protocol with the controller's side: they are tested and simulated together, without
//! building the invoker.
//!
//! Order matters: messages of one stream arrive in the order they were sent. A controller sends the new count of a want
//! *before* the dispatch or decline that changes it. With the end of a stream all its wants and offers are void, on both
//! sides; a controller registers its wants again on a new one.

mod book;
mod ledger;
mod signal;
#[cfg(test)]
mod tests;

use oxwhisk_core::id::Revision;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};

use crate::ActionDescriptor;
pub use book::{Acceptance, OfferBook, OfferSettings, WantError};
pub use ledger::Room;
pub use signal::RoomSignal;

/// Work that can run in the same containers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkKey {
    /// The invoking namespace.
    pub namespace: EntityName,
    pub action: FullyQualifiedName,
    pub revision: Revision,
    /// Kind of the manifest, or `blackbox`.
    pub kind: String,
    /// It runs in an image of the user's own.
    pub blackbox: bool,
    /// Megabytes of one container.
    pub memory: u64,
    /// Activations that one container may run at once; at least 1.
    pub slots: u32,
}

impl WorkKey {
    /// The key of an action that `namespace` invokes. Both sides make it of the same descriptor: an offer for a warm
    /// container is taken by an equal key only.
    #[must_use]
    pub fn of(action: &ActionDescriptor, namespace: &EntityName) -> Self {
        Self {
            namespace: namespace.clone(),
            action: action.id.clone(),
            revision: action.revision.clone(),
            kind: action.kind.clone(),
            blackbox: action.user_provided_image,
            memory: action.limits.memory,
            slots: u32::try_from(action.limits.concurrency).unwrap_or(u32::MAX).max(1),
        }
    }
}

/// Names one want for as long as a stream lives; the controller numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WantId(pub u64);

/// Names one offer for as long as an invoker lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId(pub u64);

/// A slot that is held for a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub id: OfferId,
    /// The want it answers.
    pub want: WantId,
    /// It is a slot in a container that runs this want's action, and can only be used for that. Otherwise it is memory,
    /// and anything that needs no more than this want may take it.
    pub warm: bool,
    /// Megabytes held.
    pub memory: u64,
}
