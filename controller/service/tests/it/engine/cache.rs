//! What a dispatch and its ticket say of the cache.

use oxwhisk_core::cache::{CacheBudget, CacheGrant, CacheScope, CacheUse};
use oxwhisk_core::limits::UserLimits;
use serde_json::json;

use super::cluster::{Cluster, id_of};

fn annotation(value: &serde_json::Value) -> serde_json::Value {
    json!([{"key": "cache", "value": value}])
}

#[tokio::test]
async fn the_controllers_decision_is_in_the_ticket() {
    let cluster = Cluster::new().await;
    cluster.limit(UserLimits { cache_keys: Some(9), ..UserLimits::default() }).await;
    let (controller, invoker) = (cluster.controller(0).await, cluster.invoker(0).await);
    controller.sees(1).await;
    controller.create("plain", json!([])).await;
    controller.create("shared", annotation(&json!({"scope": "namespace", "required": true}))).await;
    controller.create("broken", annotation(&json!({"scope": "all"}))).await;
    let of = |id| invoker.invoker.caches.lock().unwrap().get(&id).cloned().expect("it ran");
    let budget = CacheBudget { keys: Some(9), ..CacheBudget::default() };
    let grant = CacheGrant { scope: CacheScope::Namespace, budget, ..CacheGrant::default() };
    let used = Some(CacheUse { grant: Ok(grant), required: true });

    let call = async |name: &str| {
        let path = format!("actions/{name}?blocking=true");
        let (status, answer) = controller.call("POST", &path, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        id_of(&answer)
    };
    assert_eq!(of(call("plain").await), (None, None));
    assert_eq!(of(call("shared").await), (used.clone(), Some(grant)));
    let (used_broken, granted) = of(call("broken").await);
    assert!(used_broken.unwrap().grant.unwrap_err().contains("has scope \"all\""));
    assert_eq!(granted, None, "a proxy gives nothing for it");

    let queued = controller.submit("shared", &json!({})).await;
    cluster.recorded(queued).await;
    assert_eq!(of(queued), (used, Some(grant)));
}
