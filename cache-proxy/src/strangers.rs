//! Connections that have shown no token yet, by where they come from.
//!
//! Whoever has a token is held to its namespace's budget of connections. Who has shown none is nobody's, so one container could
//! take all the places that there are, and keep everybody else out: each address has a few of them for such.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Strangers {
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Stranger {
    address: IpAddr,
    all: Arc<Strangers>,
}

impl Strangers {
    /// `None`: there are as many from there as there may be.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Stranger> {
        let mut counts = self.locked();
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Stranger { address, all: Arc::clone(self) })
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.all.locked();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_so_many() {
        let strangers = Arc::new(Strangers::default());
        let [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let first = strangers.admit(here, 2);
        let second = strangers.admit(here, 2);
        assert!(first.is_some() && second.is_some() && strangers.admit(here, 2).is_none());
        assert!(strangers.admit(there, 2).is_some());
        drop(first);
        assert!(strangers.admit(here, 2).is_some());
        drop(second);
        assert!(strangers.locked().is_empty());
    }
}
