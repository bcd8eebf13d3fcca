//! Which clients are connected, for whoever administers the cache.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_cache_tokens::Hold;
use oxwhisk_core::id::ActivationId;

/// A connection, as seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: i64,
    pub address: Option<IpAddr>,
    pub age: Duration,
    pub commands: u64,
    /// Once it has shown a token that is worth something.
    pub login: Option<SessionLogin>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLogin {
    pub namespace_uuid: Arc<str>,
    pub container: String,
    /// The one in whose right it is served at this moment.
    pub activation_id: Option<ActivationId>,
}

/// All connections of a proxy.
#[derive(Debug, Default)]
pub struct Sessions {
    next: AtomicI64,
    open: Mutex<BTreeMap<i64, Arc<Facts>>>,
}

#[derive(Debug)]
struct Facts {
    address: Option<IpAddr>,
    since: Instant,
    commands: AtomicU64,
    login: Mutex<Option<Login>>,
}

#[derive(Debug)]
struct Login {
    namespace_uuid: Arc<str>,
    container: String,
    hold: Hold,
}

/// One connection's place among them, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: i64,
    facts: Arc<Facts>,
    all: Arc<Sessions>,
}

impl Sessions {
    pub(crate) fn open(self: &Arc<Self>, address: Option<IpAddr>) -> Place {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let facts =
            Facts { address, since: Instant::now(), commands: AtomicU64::new(0), login: Mutex::new(None) };
        let facts = Arc::new(facts);
        self.locked().insert(id, Arc::clone(&facts));
        Place { id, facts, all: Arc::clone(self) }
    }

    /// In the order in which they came.
    #[must_use]
    pub fn list(&self) -> Vec<Session> {
        let now = Instant::now();
        self.locked().iter().map(|(id, facts)| facts.seen(*id, now)).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<Facts>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    fn seen(&self, id: i64, now: Instant) -> Session {
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        Session {
            id,
            address: self.address,
            age: now.saturating_duration_since(self.since),
            commands: self.commands.load(Ordering::Relaxed),
            login: login.as_ref().map(|login| SessionLogin {
                namespace_uuid: Arc::clone(&login.namespace_uuid),
                container: login.container.clone(),
                activation_id: login.hold.current(now).map(|entry| entry.grant().activation_id),
            }),
        }
    }
}

impl Place {
    pub(crate) fn count(&self, commands: u64) {
        self.facts.commands.fetch_add(commands, Ordering::Relaxed);
    }

    /// What it holds on to from now on; `None`: nothing.
    pub(crate) fn logged_in(&self, hold: Option<&Hold>) {
        let now = Instant::now();
        let login = hold.and_then(|hold| {
            let entry = hold.current(now)?;
            let grant = entry.grant();
            Some(Login {
                namespace_uuid: Arc::clone(grant.account.namespace_uuid()),
                container: grant.container.0.clone(),
                hold: hold.clone(),
            })
        });
        *self.facts.login.lock().unwrap_or_else(PoisonError::into_inner) = login;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.locked().remove(&self.id);
    }
}
