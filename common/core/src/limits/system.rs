//! What the deployment allows; every value is configurable.

use std::time::Duration;

use super::ActionLimits;
use crate::size::ByteSize;

/// Lowest and highest allowed value, and the one that applies when none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    pub min: T,
    pub std: T,
    pub max: T,
}

/// Limits of the whole deployment. Defaults are OpenWhisk's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemLimits {
    /// Milliseconds.
    pub time: Bounds<u64>,
    pub memory: Bounds<ByteSize>,
    pub logs: Bounds<ByteSize>,
    pub concurrency: Bounds<u64>,
    /// Largest invocation payload and largest result.
    pub payload: ByteSize,
    /// How much of a too large result is kept in its error message.
    pub truncation: ByteSize,
    pub parameters: ByteSize,
    pub annotations: ByteSize,
    pub exec: ByteSize,
    pub sequence_length: u64,
    pub invocations_per_minute: u64,
    pub concurrent_invocations: u64,
    pub fires_per_minute: u64,
    /// Entries of a list: default and most.
    pub list_default: u64,
    pub list_max: u64,
    /// Longest wait of a blocking invocation before it becomes a 202.
    pub blocking_wait: Duration,
}

impl Default for SystemLimits {
    fn default() -> Self {
        Self {
            time: Bounds { min: 100, std: 60_000, max: 300_000 },
            memory: Bounds { min: ByteSize::mb(128), std: ByteSize::mb(256), max: ByteSize::mb(512) },
            logs: Bounds { min: ByteSize::mb(0), std: ByteSize::mb(10), max: ByteSize::mb(10) },
            concurrency: Bounds { min: 1, std: 1, max: 1 },
            payload: ByteSize::mb(1),
            truncation: ByteSize::mb(1),
            parameters: ByteSize::bytes(1 << 20),
            annotations: ByteSize::bytes(1 << 20),
            exec: ByteSize::mb(48),
            sequence_length: 50,
            invocations_per_minute: 60,
            concurrent_invocations: 30,
            fires_per_minute: 60,
            list_default: 30,
            list_max: 200,
            blocking_wait: Duration::from_secs(60),
        }
    }
}

impl SystemLimits {
    /// What an action gets that names no limits.
    #[must_use]
    pub fn default_action_limits(&self) -> ActionLimits {
        ActionLimits {
            timeout: self.time.std,
            memory: self.memory.std.as_mb(),
            logs: self.logs.std.as_mb(),
            concurrency: self.concurrency.std,
            instances: None,
        }
    }
}
