use super::*;
use crate::cache::CacheScope;

#[test]
fn overrides_never_leave_the_bounds_of_the_system() {
    let user = UserLimits {
        max_action_memory: Some(1024),
        min_action_memory: Some(256),
        max_action_timeout: Some(1000),
        concurrent_invocations: Some(5),
        ..UserLimits::default()
    };
    let limits = EffectiveLimits::new(&SystemLimits::default(), &user);
    assert_eq!((limits.memory.min.as_mb(), limits.memory.max.as_mb()), (256, 512));
    assert_eq!((limits.time.max, limits.concurrent_invocations, limits.max_action_instances), (1000, 5, 5));
}

#[test]
fn the_limits_document_reads_openwhisk_members() {
    let user: UserLimits = serde_json::from_value(json!({
        "_id": "ns/limits", "invocationsPerMinute": 1, "allowedKinds": ["nodejs:20"], "maxPayloadSize": "1 KB"
    }))
    .unwrap();
    let answer = EffectiveLimits::new(&SystemLimits::default(), &user).to_json(&user);
    assert_eq!(answer["invocationsPerMinute"], 1);
    assert_eq!(answer["allowedKinds"], json!(["nodejs:20"]));
    assert_eq!(answer["maxPayloadSize"], "1 KB");
    assert_eq!(answer["maxParameterSize"], "1048576 B");
    assert!(answer.get("storeActivations").is_none());
}

#[test]
fn a_namespaces_share_of_the_cache_is_in_its_limits() {
    let document = json!({
        "cacheDefault": "package", "cacheBytes": "64 MB", "cacheKeys": 1000, "cacheValueBytes": "1 MB",
        "cacheOperationsPerSecond": 500, "cacheConnections": 8, "cacheRefuseWhenFull": true,
    });
    let user: UserLimits = serde_json::from_value(document.clone()).unwrap();
    let limits = EffectiveLimits::new(&SystemLimits::default(), &user);
    let budget = CacheBudget {
        bytes: Some(64 << 20),
        keys: Some(1000),
        value_bytes: Some(1 << 20),
        operations_per_second: Some(500),
        connections: Some(8),
        refuse_when_full: Some(true),
    };
    let default = CacheDefault::Scope(CacheScope::Package);
    assert_eq!(limits.cache, CacheTerms { default, budget });
    assert_eq!(serde_json::to_value(&user).unwrap(), document);
    let shown = limits.to_json(&user);
    for (name, value) in document.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    let unset = EffectiveLimits::new(&SystemLimits::default(), &UserLimits::default());
    assert_eq!(unset.cache, CacheTerms::default());
    let shown = unset.to_json(&UserLimits::default());
    assert!(shown.as_object().unwrap().keys().all(|name| !name.starts_with("cache")), "{shown}");
}

#[test]
fn a_namespace_says_whether_its_actions_get_the_cache_unasked() {
    let platform = UserLimits {
        cache_default: Some(CacheDefault::Scope(CacheScope::Action)),
        cache_keys: Some(1),
        ..UserLimits::default()
    };
    let own = UserLimits { cache_default: Some(CacheDefault::Nothing), ..UserLimits::default() };
    let both = own.or(&platform);
    assert_eq!((both.cache_default, both.cache_keys), (Some(CacheDefault::Nothing), Some(1)));
    assert_eq!(UserLimits::default().or(&platform), platform);
}
