//! What is simulated.

use std::sync::Arc;

use oxwhisk_invoker_api::offers::WorkKey;
use oxwhisk_loadbalancer::PolicyName;
use oxwhisk_loadbalancer::balancer::LineConfig;

/// Something to run.
#[derive(Clone, Debug)]
pub struct Job {
    pub key: Arc<WorkKey>,
    /// Microseconds of the simulation.
    pub arrives: u64,
    /// Microseconds in a warm container.
    pub runs: u64,
    pub controller: usize,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub controllers: usize,
    pub invokers: usize,
    /// Megabytes of each invoker.
    pub memory: u64,
    pub policy: PolicyName,
    pub line: LineConfig,
    /// Microseconds that a message takes, at least and at most.
    pub delay: (u64, u64),
    /// Microseconds that a cold start takes, at least and at most.
    pub cold: (u64, u64),
    /// Microseconds between two reports of an invoker.
    pub report: u64,
    pub seed: u64,
}

impl Settings {
    #[must_use]
    pub fn new(controllers: usize, invokers: usize, memory: u64) -> Self {
        Self {
            controllers,
            invokers,
            memory,
            policy: PolicyName::Hash,
            line: LineConfig::default(),
            delay: (100, 300),
            cold: (200_000, 800_000),
            report: 1_000_000,
            seed: 1,
        }
    }
}
