//! What makes two activations able to share a container.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use oxwhisk_core::id::Revision;
use oxwhisk_core::image::ImageName;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_invoker_api::offers::WorkKey;
use oxwhisk_invoker_api::{ActionDescriptor, Caller};

/// One revision of an action as one namespace invokes it. A warm container serves only one of these: neither another
/// namespace's data nor an older revision's code may be met in it.
///
/// Made for every activation, so it only counts references; it is hashed by what it names.
#[derive(Clone, Debug)]
pub(crate) struct ActionKey {
    pub(crate) namespace: EntityName,
    pub(crate) action: Arc<ActionDescriptor>,
}

impl ActionKey {
    pub(crate) fn new(action: &Arc<ActionDescriptor>, caller: &Caller) -> Self {
        Self { namespace: caller.namespace.clone(), action: Arc::clone(action) }
    }

    /// Megabytes of each of its containers.
    pub(crate) fn memory(&self) -> u64 {
        self.action.limits.memory
    }

    /// Activations that one container may run at once.
    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.action.limits.concurrency).unwrap_or(u32::MAX).max(1)
    }
}

impl PartialEq for ActionKey {
    fn eq(&self, other: &Self) -> bool {
        let same_action = Arc::ptr_eq(&self.action, &other.action)
            || (self.action.revision == other.action.revision && self.action.id == other.action.id);
        same_action && self.namespace == other.namespace
    }
}

impl Eq for ActionKey {}

impl Hash for ActionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn Names).hash(state);
    }
}

/// What an [`ActionKey`] names, however it is held: so that it is found by a [`WorkKey`] too, without making one.
pub(super) trait Names {
    fn names(&self) -> (&EntityName, &FullyQualifiedName, &Revision);
}

impl Names for ActionKey {
    fn names(&self) -> (&EntityName, &FullyQualifiedName, &Revision) {
        (&self.namespace, &self.action.id, &self.action.revision)
    }
}

impl Names for WorkKey {
    fn names(&self) -> (&EntityName, &FullyQualifiedName, &Revision) {
        (&self.namespace, &self.action, &self.revision)
    }
}

impl<'a> Borrow<dyn Names + 'a> for ActionKey {
    fn borrow(&self) -> &(dyn Names + 'a) {
        self
    }
}

impl PartialEq for dyn Names + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for dyn Names + '_ {}

impl Hash for dyn Names + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (namespace, action, revision) = self.names();
        namespace.hash(state);
        action.name.hash(state);
        revision.hash(state);
    }
}

/// What a container is made as, before any code is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: String,
    pub(crate) image: ImageName,
    pub(crate) user_provided_image: bool,
    /// Megabytes.
    pub(crate) memory: u64,
    /// Started to take several runs at once.
    pub(crate) concurrent: bool,
}

impl Shape {
    pub(crate) fn of(key: &ActionKey) -> Self {
        Self {
            kind: key.action.kind.clone(),
            image: key.action.image.clone(),
            user_provided_image: key.action.user_provided_image,
            memory: key.memory(),
            concurrent: key.slots() > 1,
        }
    }

    /// A container of this shape can take the action. One that is ready for concurrent runs also takes single ones.
    pub(crate) fn fits(&self, key: &ActionKey) -> bool {
        self.memory == key.memory()
            && self.kind == key.action.kind
            && self.image == key.action.image
            && (self.concurrent || key.slots() == 1)
    }
}
