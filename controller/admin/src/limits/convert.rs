//! Limits as the store has them and as they travel.

use oxwhisk_core::cache::CacheDefaultError;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::size::ByteSize;
use oxwhisk_proto::admin::v1::{NamespaceLimits, Strings};

pub(super) fn to_proto(limits: &UserLimits) -> NamespaceLimits {
    let size = |size: Option<ByteSize>| size.map(|size| size.to_string());
    NamespaceLimits {
        invocations_per_minute: limits.invocations_per_minute,
        concurrent_invocations: limits.concurrent_invocations,
        fires_per_minute: limits.fires_per_minute,
        allowed_kinds: limits.allowed_kinds.clone().map(|values| Strings { values }),
        store_activations: limits.store_activations,
        min_action_memory: limits.min_action_memory,
        max_action_memory: limits.max_action_memory,
        min_action_logs: limits.min_action_logs,
        max_action_logs: limits.max_action_logs,
        min_action_timeout: limits.min_action_timeout,
        max_action_timeout: limits.max_action_timeout,
        min_action_concurrency: limits.min_action_concurrency,
        max_action_concurrency: limits.max_action_concurrency,
        max_parameter_size: size(limits.max_parameter_size),
        max_payload_size: size(limits.max_payload_size),
        truncation_size: size(limits.truncation_size),
        warmed_container_keeping_count: limits.warmed_container_keeping_count,
        warmed_container_keeping_timeout: limits.warmed_container_keeping_timeout.clone(),
        max_action_instances: limits.max_action_instances,
        cache_default: limits.cache_default.map(|default| default.to_string()),
        cache_bytes: size(limits.cache_bytes),
        cache_keys: limits.cache_keys,
        cache_value_bytes: size(limits.cache_value_bytes),
        cache_operations_per_second: limits.cache_operations_per_second,
        cache_connections: limits.cache_connections,
        cache_refuse_when_full: limits.cache_refuse_when_full,
    }
}

/// # Errors
/// A text for people when a size is none, or the default of the cache is unknown.
pub(super) fn from_proto(limits: NamespaceLimits) -> Result<UserLimits, String> {
    let size = |name: &str, text: Option<String>| {
        text.map(|text| {
            text.parse::<ByteSize>().map_err(|_| format!("{name}: '{text}' is not a size such as '1 MB'"))
        })
        .transpose()
    };
    let cache_default = limits
        .cache_default
        .map(|text| text.parse().map_err(|error: CacheDefaultError| format!("cacheDefault: {error}")));
    Ok(UserLimits {
        invocations_per_minute: limits.invocations_per_minute,
        concurrent_invocations: limits.concurrent_invocations,
        fires_per_minute: limits.fires_per_minute,
        allowed_kinds: limits.allowed_kinds.map(|kinds| kinds.values),
        store_activations: limits.store_activations,
        min_action_memory: limits.min_action_memory,
        max_action_memory: limits.max_action_memory,
        min_action_logs: limits.min_action_logs,
        max_action_logs: limits.max_action_logs,
        min_action_timeout: limits.min_action_timeout,
        max_action_timeout: limits.max_action_timeout,
        min_action_concurrency: limits.min_action_concurrency,
        max_action_concurrency: limits.max_action_concurrency,
        max_parameter_size: size("maxParameterSize", limits.max_parameter_size)?,
        max_payload_size: size("maxPayloadSize", limits.max_payload_size)?,
        truncation_size: size("truncationSize", limits.truncation_size)?,
        warmed_container_keeping_count: limits.warmed_container_keeping_count,
        warmed_container_keeping_timeout: limits.warmed_container_keeping_timeout,
        max_action_instances: limits.max_action_instances,
        cache_default: cache_default.transpose()?,
        cache_bytes: size("cacheBytes", limits.cache_bytes)?,
        cache_keys: limits.cache_keys,
        cache_value_bytes: size("cacheValueBytes", limits.cache_value_bytes)?,
        cache_operations_per_second: limits.cache_operations_per_second,
        cache_connections: limits.cache_connections,
        cache_refuse_when_full: limits.cache_refuse_when_full,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_survives_the_way_there_and_back() {
        let limits: UserLimits = serde_json::from_value(serde_json::json!({
            "invocationsPerMinute": 1, "concurrentInvocations": 2, "firesPerMinute": 3, "allowedKinds": ["nodejs:20"],
            "storeActivations": false, "minActionMemory": 4, "maxActionMemory": 5, "minActionLogs": 6, "maxActionLogs": 7,
            "minActionTimeout": 8, "maxActionTimeout": 9, "minActionConcurrency": 10, "maxActionConcurrency": 11,
            "maxParameterSize": "1 MB", "maxPayloadSize": "2 KB", "truncationSize": "3 B",
            "warmedContainerKeepingCount": 12, "warmedContainerKeepingTimeout": "5 minutes", "maxActionInstances": 13,
            "cacheDefault": "package", "cacheBytes": "64 MB", "cacheKeys": 14, "cacheValueBytes": "4 KB",
            "cacheOperationsPerSecond": 15, "cacheConnections": 16, "cacheRefuseWhenFull": true,
        }))
        .expect("limits");
        assert_eq!(from_proto(to_proto(&limits)), Ok(limits));
        assert_eq!(from_proto(NamespaceLimits::default()), Ok(UserLimits::default()));
        let wrong =
            NamespaceLimits { truncation_size: Some("3 elephants".to_owned()), ..NamespaceLimits::default() };
        assert_eq!(
            from_proto(wrong).unwrap_err(),
            "truncationSize: '3 elephants' is not a size such as '1 MB'"
        );
        let wrong = NamespaceLimits { cache_default: Some("all".to_owned()), ..NamespaceLimits::default() };
        let refusal = from_proto(wrong).unwrap_err();
        assert!(refusal.starts_with("cacheDefault: 'all' is neither"), "{refusal}");
    }
}
