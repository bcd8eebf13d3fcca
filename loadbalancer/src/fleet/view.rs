//! What can be read of a fleet.

use std::sync::Arc;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::WorkKey;

use super::{Fleet, InvokerInfo, Service};
use crate::placement::{InvokerView, PoolView};

impl Fleet {
    /// Those that serve managed runtimes, or users' own images.
    #[must_use]
    pub fn pool(&self, blackbox: bool) -> PoolView<'_> {
        let pool = if blackbox { &self.blackbox } else { &self.managed };
        PoolView { invokers: &self.views[pool.start..pool.end], steps: &pool.steps }
    }

    #[must_use]
    pub fn view(&self, id: InvokerId) -> Option<&InvokerView> {
        self.views.get(id.0 as usize)
    }

    /// It is in service, of the right pool and has the right kind of runtime.
    #[must_use]
    pub fn may_run(&self, id: InvokerId, key: &WorkKey) -> bool {
        let pool = if key.blackbox { &self.blackbox } else { &self.managed };
        let index = id.0 as usize;
        let view = self.views[pool.start..pool.end].get(index.wrapping_sub(pool.start));
        view.is_some_and(|view| view.usable && view.kinds.contain(&key.kind))
    }

    /// Everybody who was heard of or set by an administrator, in the order of ids; numbers in between are left out.
    pub fn list(&self) -> impl Iterator<Item = InvokerInfo> {
        let known = self.invokers.iter().zip(&self.views);
        let known = known.filter(|(invoker, _)| invoker.was_heard || invoker.service != Service::Enabled);
        known.map(|(invoker, view)| InvokerInfo {
            id: view.id,
            name: Arc::clone(&invoker.name),
            address: Arc::clone(&invoker.address),
            version: Arc::clone(&invoker.version),
            state: invoker.health.state(),
            service: invoker.service,
            connected: invoker.health.is_stream_open(),
            memory: invoker.memory,
            free: view.free_memory,
        })
    }

    /// Invokers that get work now.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.views.iter().filter(|view| view.usable).count()
    }
}
