//! A place in a container, given back whatever happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shell;
use crate::pool::{Lease, Release};
use crate::proxy::Proxy;

/// A place in a container. Dropped without release, the container is ended: nobody knows what state it is in.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    pub(super) shell: Arc<Shell>,
    pub(super) lease: Lease<Arc<Proxy>>,
    pub(super) released: bool,
}

impl LeaseGuard {
    pub(crate) fn lease(&self) -> &Lease<Arc<Proxy>> {
        &self.lease
    }

    pub(crate) fn proxy(&self) -> &Arc<Proxy> {
        &self.lease.handle
    }

    pub(crate) fn release(mut self, how: Release) {
        self.released = true;
        self.shell.release(self.lease.container, how);
    }

    /// The action's code is in it.
    pub(crate) fn initialised(&self, init: Duration) {
        let startup = self.lease.startup + init;
        let effects = self.shell.pool().initialised(self.lease.container, startup, Instant::now());
        self.shell.perform(effects);
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if !self.released {
            self.shell.release(self.lease.container, Release::Destroy);
        }
    }
}
