//! How the caches of several controllers are kept true.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oxwhisk_core::name::FullyQualifiedName;

/// Tells other controllers what was changed through this one.
pub trait Announcer: fmt::Debug + Send + Sync + 'static {
    /// The entity was written or deleted. Must not wait: a client does.
    fn entity_changed(&self, id: &FullyQualifiedName);
}

/// What a controller has to do with other controllers' changes. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Sharing(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    announcer: Arc<dyn Announcer>,
    hears: AtomicBool,
    unheard_ttl: Duration,
}

impl Sharing {
    /// Nobody else changes anything.
    #[must_use]
    pub const fn alone() -> Self {
        Self(None)
    }

    /// Others change things, too. Until [`Sharing::set_hearing`] says that their changes are heard, and whenever it says
    /// that they are not, cached copies are believed for `unheard_ttl` only and then compared with the store.
    #[must_use]
    pub fn among_others(announcer: Arc<dyn Announcer>, unheard_ttl: Duration) -> Self {
        Self(Some(Arc::new(Shared { announcer, hears: AtomicBool::new(false), unheard_ttl })))
    }

    /// Whether changes of others are heard from now on. What was cached before may be out of date all the same.
    pub fn set_hearing(&self, hears: bool) {
        if let Some(shared) = &self.0 {
            shared.hears.store(hears, Ordering::Release);
        }
    }

    /// How long a copy is believed that would be believed for `ttl` if every change were heard of.
    pub(crate) fn believed(&self, ttl: Duration) -> Duration {
        match &self.0 {
            Some(shared) if !shared.hears.load(Ordering::Acquire) => ttl.min(shared.unheard_ttl),
            _ => ttl,
        }
    }

    pub(crate) fn announce(&self, id: &FullyQualifiedName) {
        if let Some(shared) = &self.0 {
            shared.announcer.entity_changed(id);
        }
    }
}
