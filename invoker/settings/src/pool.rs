//! The container pool.

use oxwhisk_config::{Setting, Settings};
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::size::ByteSize;
use oxwhisk_invoker::config::{InvokerConfig, PrewarmConfig, QueueConfig};
use oxwhisk_invoker::keep_alive::KeepAlive;

use crate::machine::Machine;

const USER_MEMORY: &str = "whisk.container-pool.user-memory";
const KEEP_ALIVE: &str = "oxwhisk.container-pool.keep-alive";

#[derive(Clone, Copy)]
struct KeepAliveSetting(KeepAlive);

impl Setting for KeepAliveSetting {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "lru" => Ok(Self(KeepAlive::Lru)),
            "greedy-dual" => Ok(Self(KeepAlive::GreedyDual)),
            _ => Err(format!("'{text}' is neither 'lru' nor 'greedy-dual'")),
        }
    }

    fn literal(&self) -> String {
        match self.0 {
            KeepAlive::Lru => "\"lru\"",
            KeepAlive::GreedyDual => "\"greedy-dual\"",
        }
        .to_owned()
    }
}

fn read_queue(settings: &mut Settings) -> QueueConfig {
    let default = QueueConfig::default();
    let mut count = |key: &str, default: usize| {
        let value = settings.value(key, u32::try_from(default).unwrap_or(u32::MAX));
        usize::try_from(value).unwrap_or(usize::MAX)
    };
    let max = count("oxwhisk.container-pool.max-queued", default.max);
    let max_per_namespace =
        count("oxwhisk.container-pool.max-queued-per-namespace", default.max_per_namespace);
    let wait_limit = settings.value("oxwhisk.container-pool.max-wait", default.wait_limit);
    QueueConfig { max, max_per_namespace, wait_limit, ..default }
}

fn read_prewarm(settings: &mut Settings) -> PrewarmConfig {
    let default = PrewarmConfig::default();
    let limit = u32::try_from(default.expiration_limit).unwrap_or(u32::MAX);
    let limit = settings.value("whisk.container-pool.prewarm-expiration-limit", limit);
    PrewarmConfig {
        check_interval: settings
            .value("whisk.container-pool.prewarm-expiration-check-interval", default.check_interval),
        expiration_limit: usize::try_from(limit).unwrap_or(usize::MAX),
        max_retries: settings.value("whisk.container-pool.prewarm-max-retry-limit", default.max_retries),
        ..default
    }
}

/// Reads what an operator may say about the pool. Stem cells come from the manifest and the API host from whoever
/// knows how actions reach the server, so both are still the defaults here.
pub fn read(settings: &mut Settings, machine: &Machine, limits: &SystemLimits) -> InvokerConfig {
    let default = InvokerConfig::default();
    let user_memory: ByteSize = settings.value(USER_MEMORY, machine.default_user_memory());
    check_user_memory(settings, user_memory, limits);
    InvokerConfig {
        user_memory: user_memory.as_mb(),
        max_concurrency: limits.concurrency.max,
        keep_alive: settings.value(KEEP_ALIVE, KeepAliveSetting(default.keep_alive)).0,
        idle_timeout: settings.value("whisk.container-proxy.timeouts.idle-container", default.idle_timeout),
        pause_grace: settings.value("whisk.container-proxy.timeouts.pause-grace", default.pause_grace),
        queue: read_queue(settings),
        prewarm: read_prewarm(settings),
        ..default
    }
}

fn check_user_memory(settings: &mut Settings, user_memory: ByteSize, limits: &SystemLimits) {
    if user_memory < limits.memory.min {
        let text = format!("'{user_memory}' is less than the smallest action, {}", limits.memory.min);
        settings.fault(USER_MEMORY, text);
    } else if user_memory < limits.memory.max {
        settings.warn(format!(
            "actions of more than {user_memory} can be created (whisk.memory.max is {}) but never run: \
             that is all {USER_MEMORY} has",
            limits.memory.max
        ));
    }
}
