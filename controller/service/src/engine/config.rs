//! What a cluster's engine is told at its start.

use std::time::Duration;

use oxwhisk_dispatch::ParkingLimits;
use oxwhisk_invoker_remote::client::{ControllerIdentity, ConversationOptions};
use oxwhisk_loadbalancer::balancer::LineConfig;
use oxwhisk_loadbalancer::fleet::FleetConfig;

/// Bounds and times of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    pub identity: ControllerIdentity,
    /// How often an activation may begin, at least 1.
    pub max_attempts: u32,
    pub fleet: FleetConfig,
    pub line: LineConfig,
    pub conversation: ConversationOptions,
    /// How long invokers are listened to before lanes are taken: longer than between two heartbeats, since whoever holds
    /// work of an earlier owner has to be known.
    pub discovery: Duration,
    /// Messages of lanes that are held in memory, and their bytes; a batch may go beyond.
    pub read_ahead: usize,
    pub read_ahead_bytes: usize,
    /// Queued activations that are at invokers or wait for one, in all and of one namespace.
    pub outside: usize,
    pub outside_per_namespace: usize,
    pub parking: ParkingLimits,
    /// Blocking calls at once; more are refused.
    pub max_calls: usize,
    /// Pause before something that failed is tried again, doubled up to the longest.
    pub retry_first: Duration,
    pub retry_longest: Duration,
    /// What was accepted is looked for among the records after this time, and again and again: other controllers tell of
    /// ends, and what they tell may be lost.
    pub look_for_ends: Duration,
    /// Added to an action's time limit: until then a ticket is good for code and cache.
    pub ticket_slack: Duration,
}

impl EngineConfig {
    /// The defaults for one controller.
    #[must_use]
    pub fn new(identity: ControllerIdentity) -> Self {
        Self {
            identity,
            max_attempts: 3,
            fleet: FleetConfig::default(),
            line: LineConfig::default(),
            conversation: ConversationOptions::default(),
            discovery: Duration::from_millis(2500),
            read_ahead: 4096,
            read_ahead_bytes: 64 << 20,
            outside: 512,
            outside_per_namespace: 128,
            parking: ParkingLimits { park_above: 1024, resume_below: 256 },
            max_calls: 65_536,
            retry_first: Duration::from_millis(50),
            retry_longest: Duration::from_secs(5),
            look_for_ends: Duration::from_secs(10),
            ticket_slack: Duration::from_secs(120),
        }
    }
}
