//! What a dispatch says of the cache.

use oxwhisk_core::cache::{CacheBudget, CacheDefault, CacheGrant, CacheRights, CacheScope, CacheUse};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_messaging::{Bus, Message, Topic};
use oxwhisk_store::{ActivationStore, EntityStore};
use serde_json::{Value, json};

use crate::fixture::{Parts, Platform, me, until};

/// What the dispatch of an action with this annotation says; `null` is none.
async fn used(platform: &Platform, annotation: &Value) -> Option<CacheUse> {
    let annotations = match annotation {
        Value::Null => json!([]),
        value => json!([{"key": "cache", "value": value}]),
    };
    let action = json!({"exec": {"kind": "go:1", "code": "x"}, "annotations": annotations});
    let (status, answer) = platform.call("PUT", "actions/a?overwrite=true", &action).await;
    assert_eq!(status, 200, "{answer}");
    // Those that are there are replaced one by one.
    if annotation.is_null() {
        let without = json!({"delAnnotations": ["cache"]});
        assert_eq!(platform.call("PUT", "actions/a?overwrite=true", &without).await.0, 200);
    }
    assert_eq!(platform.call("POST", "actions/a?blocking=true", &json!({})).await.0, 200);
    platform.invoker.cache.lock().unwrap().take()
}

fn granted(scope: CacheScope) -> Option<CacheUse> {
    Some(CacheUse { grant: Ok(CacheGrant { scope, ..CacheGrant::default() }), required: false })
}

#[tokio::test]
async fn the_annotation_says_what() {
    let platform = Parts::new().await.start().await;
    for (annotation, expected) in [
        (Value::Null, None),
        (json!(false), None),
        (json!(true), granted(CacheScope::Action)),
        (json!("package"), granted(CacheScope::Package)),
        (
            json!({"rights": "read", "required": true}),
            Some(CacheUse {
                grant: Ok(CacheGrant { rights: CacheRights::Read, ..CacheGrant::default() }),
                required: true,
            }),
        ),
    ] {
        assert_eq!(used(&platform, &annotation).await, expected, "{annotation}");
    }
    // The name may be used for something else: that is no fault of the action's.
    let refused = used(&platform, &json!({"max-age": 60})).await.unwrap();
    let reason = "the annotation 'cache' has the unknown member 'max-age'";
    assert_eq!(refused, CacheUse { grant: Err(reason.to_owned()), required: false });
}

#[tokio::test]
async fn the_namespace_says_what_is_given_unasked_and_how_much() {
    let parts = Parts::new().await;
    parts
        .limit(UserLimits {
            cache_default: Some(CacheDefault::Scope(CacheScope::Package)),
            cache_bytes: Some("1 MB".parse().unwrap()),
            cache_connections: Some(3),
            ..UserLimits::default()
        })
        .await;
    let platform = parts.start().await;
    let budget = CacheBudget { bytes: Some(1 << 20), connections: Some(3), ..CacheBudget::default() };
    let of = |used: Option<CacheUse>| used.map(|used| used.grant.unwrap());
    let grant = |scope| Some(CacheGrant { scope, budget, ..CacheGrant::default() });
    assert_eq!(of(used(&platform, &Value::Null).await), grant(CacheScope::Package));
    assert_eq!(of(used(&platform, &json!("namespace")).await), grant(CacheScope::Namespace));
    assert_eq!(of(used(&platform, &json!(false)).await), None);
}

/// Puts a copy of the action into another namespace's package, and has the queue run it for `me`.
async fn run_code_of_another(parts: &Parts) {
    let [other, package, name] = ["other", "tools", "a"].map(|name| EntityName::new(name).unwrap());
    let mine = FullyQualifiedName::new(EntityPath::new(me(), None), name.clone());
    let theirs = FullyQualifiedName::new(EntityPath::new(other, Some(package)), name);
    let mut document = parts.entities.get(&mine).await.unwrap().unwrap().document;
    let body = document.body.get().replace(r#""namespace":"me""#, r#""namespace":"other/tools""#);
    document.body = serde_json::value::RawValue::from_string(body).unwrap();
    document.id = theirs.clone();
    parts.entities.put(document, None).await.unwrap();
    let id = ActivationId::generate();
    let message = json!({
        "transaction": "tid", "activationId": id, "action": theirs, "subject": "me", "namespace": "me",
        "namespaceUuid": "u", "arguments": {}, "received": 1, "attempt": 1,
    });
    let message = Message::new(id.to_string(), message.to_string()).with_route("me");
    parts.bus.produce(Topic::Activations, message).await.unwrap();
    until("it has run", async || parts.activations.get(&me(), id).await.unwrap()).await;
}

#[tokio::test]
async fn the_code_of_others_sees_its_own_actions_keys_alone() {
    let parts = Parts::new().await;
    let platform = parts.start().await;
    assert_eq!(used(&platform, &json!("namespace")).await, granted(CacheScope::Namespace));
    run_code_of_another(&parts).await;
    assert_eq!(platform.invoker.cache.lock().unwrap().take(), granted(CacheScope::Action));
}
