//! A sandbox's share of the name server, so that one that floods it does not silence the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what is under way for each address.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limit: usize,
}

/// One question under way; dropping it frees its place.
#[derive(Debug)]
pub(super) struct Place {
    clients: Clients,
    address: IpAddr,
}

impl Clients {
    pub(super) fn new(limit: usize) -> Self {
        Self { counts: Arc::default(), limit }
    }

    /// A place for one more question, or `None` at the limit.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Place { clients: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.counts.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn one_address_reaches_its_limit_and_another_does_not_feel_it() {
        let clients = Clients::new(2);
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let held = [clients.enter(one).unwrap(), clients.enter(one).unwrap()];
        assert!(clients.enter(one).is_none());
        assert!(clients.enter(two).is_some());
        drop(held);
        assert!(clients.enter(one).is_some());
        assert!(clients.counts.lock().unwrap().is_empty(), "nothing is kept of addresses with no question");
    }
}
