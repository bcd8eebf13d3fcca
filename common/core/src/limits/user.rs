//! What one namespace may do: its own overrides within the bounds of the deployment.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Bounds, SystemLimits};
use crate::cache::{CacheBudget, CacheDefault, CacheTerms};
use crate::size::ByteSize;

/// The `<namespace>/limits` document. Members that are absent fall back to the deployment's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UserLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations_per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_invocations: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fires_per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_kinds: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_activations: Option<bool>,
    /// Megabytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_memory: Option<u64>,
    /// Megabytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_logs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_logs: Option<u64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_concurrency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_concurrency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parameter_size: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_size: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_size: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmed_container_keeping_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmed_container_keeping_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_instances: Option<u64>,
    /// For actions that say nothing of the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_default: Option<CacheDefault>,
    /// In the server's memory, of each tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_bytes: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_keys: Option<u64>,
    /// Of one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_value_bytes: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_operations_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_connections: Option<u64>,
    /// Writes are refused instead when the cache is full for it, and nothing of what it has is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_refuse_when_full: Option<bool>,
}

impl UserLimits {
    /// These limits, with those of `defaults` where a member is absent.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        macro_rules! member_wise {
            ($($member:ident),+ $(,)?) => { Self { $($member: self.$member.clone().or_else(|| defaults.$member.clone())),+ } };
        }
        member_wise!(
            invocations_per_minute,
            concurrent_invocations,
            fires_per_minute,
            allowed_kinds,
            store_activations,
            min_action_memory,
            max_action_memory,
            min_action_logs,
            max_action_logs,
            min_action_timeout,
            max_action_timeout,
            min_action_concurrency,
            max_action_concurrency,
            max_parameter_size,
            max_payload_size,
            truncation_size,
            warmed_container_keeping_count,
            warmed_container_keeping_timeout,
            max_action_instances,
            cache_default,
            cache_bytes,
            cache_keys,
            cache_value_bytes,
            cache_operations_per_second,
            cache_connections,
            cache_refuse_when_full,
        )
    }

    fn cache_terms(&self) -> CacheTerms {
        CacheTerms {
            default: self.cache_default.unwrap_or_default(),
            budget: CacheBudget {
                bytes: self.cache_bytes.map(ByteSize::as_bytes),
                keys: self.cache_keys,
                value_bytes: self.cache_value_bytes.map(ByteSize::as_bytes),
                operations_per_second: self.cache_operations_per_second,
                connections: self.cache_connections,
                refuse_when_full: self.cache_refuse_when_full,
            },
        }
    }
}

/// The limits in force for one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveLimits {
    pub time: Bounds<u64>,
    pub memory: Bounds<ByteSize>,
    pub logs: Bounds<ByteSize>,
    pub concurrency: Bounds<u64>,
    pub invocations_per_minute: u64,
    pub concurrent_invocations: u64,
    pub fires_per_minute: u64,
    pub max_action_instances: u64,
    pub parameters: ByteSize,
    pub payload: ByteSize,
    pub truncation: ByteSize,
    pub store_activations: bool,
    /// Empty allows every kind.
    pub allowed_kinds: Vec<String>,
    pub cache: CacheTerms,
}

fn narrowed<T: Ord + Copy>(system: Bounds<T>, min: Option<T>, max: Option<T>) -> Bounds<T> {
    Bounds {
        min: min.map_or(system.min, |min| min.max(system.min)),
        std: system.std,
        max: max.map_or(system.max, |max| max.min(system.max)),
    }
}

impl EffectiveLimits {
    #[must_use]
    pub fn new(system: &SystemLimits, user: &UserLimits) -> Self {
        let mb = |size: Option<u64>| size.map(ByteSize::mb);
        let capped = |size: Option<ByteSize>, most: ByteSize| size.map_or(most, |size| size.min(most));
        let concurrent_invocations = user.concurrent_invocations.unwrap_or(system.concurrent_invocations);
        Self {
            time: narrowed(system.time, user.min_action_timeout, user.max_action_timeout),
            memory: narrowed(system.memory, mb(user.min_action_memory), mb(user.max_action_memory)),
            logs: narrowed(system.logs, mb(user.min_action_logs), mb(user.max_action_logs)),
            concurrency: narrowed(
                system.concurrency,
                user.min_action_concurrency,
                user.max_action_concurrency,
            ),
            invocations_per_minute: user.invocations_per_minute.unwrap_or(system.invocations_per_minute),
            concurrent_invocations,
            fires_per_minute: user.fires_per_minute.unwrap_or(system.fires_per_minute),
            max_action_instances: user.max_action_instances.unwrap_or(concurrent_invocations),
            parameters: capped(user.max_parameter_size, system.parameters),
            payload: capped(user.max_payload_size, system.payload),
            truncation: capped(user.truncation_size, system.truncation),
            store_activations: user.store_activations.unwrap_or(true),
            allowed_kinds: user.allowed_kinds.clone().unwrap_or_default(),
            cache: user.cache_terms(),
        }
    }

    /// The answer of `GET /namespaces/{ns}/limits`; optional members appear only where the namespace sets them.
    #[must_use]
    pub fn to_json(&self, user: &UserLimits) -> Value {
        let mut answer = json!({
            "invocationsPerMinute": self.invocations_per_minute,
            "concurrentInvocations": self.concurrent_invocations,
            "firesPerMinute": self.fires_per_minute,
            "maxActionInstances": self.max_action_instances,
            "minActionMemory": self.memory.min.as_mb(),
            "maxActionMemory": self.memory.max.as_mb(),
            "minActionLogs": self.logs.min.as_mb(),
            "maxActionLogs": self.logs.max.as_mb(),
            "minActionTimeout": self.time.min,
            "maxActionTimeout": self.time.max,
            "minActionConcurrency": self.concurrency.min,
            "maxActionConcurrency": self.concurrency.max,
            "maxParameterSize": self.parameters.to_string(),
        });
        let mut optional = Map::new();
        if let Some(kinds) = &user.allowed_kinds {
            optional.insert("allowedKinds".to_owned(), json!(kinds));
        }
        if let Some(store) = user.store_activations {
            optional.insert("storeActivations".to_owned(), store.into());
        }
        for (name, size) in [
            ("maxPayloadSize", user.max_payload_size),
            ("truncationSize", user.truncation_size),
            ("cacheBytes", user.cache_bytes),
            ("cacheValueBytes", user.cache_value_bytes),
        ] {
            if let Some(size) = size {
                optional.insert(name.to_owned(), size.to_string().into());
            }
        }
        for (name, count) in [
            ("warmedContainerKeepingCount", user.warmed_container_keeping_count),
            ("cacheKeys", user.cache_keys),
            ("cacheOperationsPerSecond", user.cache_operations_per_second),
            ("cacheConnections", user.cache_connections),
        ] {
            if let Some(count) = count {
                optional.insert(name.to_owned(), count.into());
            }
        }
        if let Some(default) = user.cache_default {
            optional.insert("cacheDefault".to_owned(), json!(default));
        }
        if let Some(refuse) = user.cache_refuse_when_full {
            optional.insert("cacheRefuseWhenFull".to_owned(), refuse.into());
        }
        if let Some(time) = &user.warmed_container_keeping_timeout {
            optional.insert("warmedContainerKeepingTimeout".to_owned(), time.as_str().into());
        }
        if let Some(members) = answer.as_object_mut() {
            members.extend(optional);
        }
        answer
    }
}

#[cfg(test)]
mod tests;
