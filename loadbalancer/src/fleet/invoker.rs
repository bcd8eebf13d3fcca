//! One invoker as this controller knows it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use oxwhisk_core::id::InvokerId;

use super::health::Health;

/// OpenWhisk's states, with the names that `GET /invokers` gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Healthy,
    Unhealthy,
    Unresponsive,
    Offline,
}

impl State {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "up",
            Self::Unhealthy => "unhealthy",
            Self::Unresponsive => "unresponsive",
            Self::Offline => "down",
        }
    }
}

/// What an administrator wants of an invoker. Outlives its restarts, until it is enabled again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    #[default]
    Enabled,
    /// Gets nothing new; what runs there ends in its own time.
    Draining,
    /// Gets nothing, test actions included.
    Disabled,
}

/// Kinds of runtimes that an invoker can run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kinds {
    #[default]
    All,
    Only(Arc<BTreeSet<String>>),
}

impl Kinds {
    #[must_use]
    pub fn contain(&self, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kinds.contains(kind),
        }
    }
}

/// What an invoker tells everybody, again and again. Anybody who may write to the topic can send one, so it is discovery
/// and a sign of life, and nothing is believed of it that its stream contradicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub id: InvokerId,
    /// Its own name, for people; may be empty.
    pub name: Arc<str>,
    /// `host:port` of its gRPC server.
    pub address: Arc<str>,
    pub version: Arc<str>,
    pub report: Report,
}

/// What an invoker says of itself, by heartbeat or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// It takes work.
    pub enabled: bool,
    pub kinds: Kinds,
    /// Megabytes for containers, in all.
    pub memory: u64,
    /// Megabytes that a new container could get, idle ones evicted.
    pub free: u64,
}

/// An invoker that was heard of, or about which an administrator has said something.
#[derive(Clone, Debug, Default)]
pub(super) struct Invoker {
    pub(super) health: Health,
    pub(super) service: Service,
    pub(super) name: Arc<str>,
    pub(super) address: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) memory: u64,
    /// It says that it takes work.
    pub(super) enabled: bool,
    /// Which of its processes the last stream led to.
    pub(super) incarnation: Option<u64>,
    pub(super) was_heard: bool,
}

/// One invoker for administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokerInfo {
    pub id: InvokerId,
    pub name: Arc<str>,
    pub address: Arc<str>,
    pub version: Arc<str>,
    pub state: State,
    pub service: Service,
    pub connected: bool,
    /// Megabytes, in all and believed to be free.
    pub memory: u64,
    pub free: u64,
}

impl InvokerInfo {
    /// The state as `GET /invokers` shows it. As with OpenWhisk, one that takes no work is down.
    #[must_use]
    pub const fn listed_state(&self) -> &'static str {
        match self.service {
            Service::Enabled => self.state.as_str(),
            Service::Draining | Service::Disabled => State::Offline.as_str(),
        }
    }
}

/// The name as `GET /invokers` shows it: `invoker0/0`.
impl fmt::Display for InvokerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => write!(f, "{}/{}", self.id, self.id.0),
            name => write!(f, "{}/{name}", self.id),
        }
    }
}
