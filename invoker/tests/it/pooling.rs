//! Which container runs what.

use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_core::id::Revision;

use oxwhisk_invoker_api::{ChangedAction, DispatchError, InvokerClient};
use serde_json::json;

use crate::fixture::{
    Fixture, action, config, container_of, dispatch, eventually, has_init_time, result, stem_cell,
};

#[tokio::test]
async fn the_second_run_is_warm() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    let first = fixture.run(dispatch(&hello, &json!({}))).await;
    let second = fixture.run(dispatch(&hello, &json!({}))).await;
    assert!(has_init_time(&first) && !has_init_time(&second));
    assert_eq!(container_of(&first), container_of(&second));
    let metrics = fixture.invoker.metrics();
    assert_eq!((metrics.cold, metrics.warmed, metrics.late_logs), (1, 1, 0));
    let capacity = fixture.invoker.capacity();
    assert_eq!((capacity.memory, capacity.busy, capacity.idle), (1024, 0, 256));
    fixture.stop().await;
}

#[tokio::test]
async fn an_application_error_keeps_the_container_and_a_developer_error_does_not() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    let failing = json!({"do": "body", "body": "{\"error\": 1}"});
    fixture.run(dispatch(&hello, &failing)).await;
    assert!(!has_init_time(&fixture.run(dispatch(&hello, &json!({}))).await));
    fixture.run(dispatch(&hello, &json!({"do": "body", "status": 502, "body": "{\"error\": 1}"}))).await;
    assert!(has_init_time(&fixture.run(dispatch(&hello, &json!({}))).await));
    fixture.stop().await;
}

#[tokio::test]
async fn namespaces_and_revisions_do_not_share() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    let first = container_of(&fixture.run(dispatch(&hello, &json!({}))).await);
    let mut stranger = dispatch(&hello, &json!({}));
    stranger.caller.namespace = oxwhisk_core::name::EntityName::new("other").unwrap();
    let second = container_of(&fixture.run(stranger).await);
    let mut updated = hello;
    updated.revision = Revision("2-b".to_owned());
    let third = container_of(&fixture.run(dispatch(&updated, &json!({}))).await);
    assert!(first != second && second != third && first != third);
    fixture.stop().await;
}

#[tokio::test]
async fn concurrent_activations_share_a_container() {
    let fixture = Fixture::new().await;
    let mut shared = action("shared");
    shared.limits.concurrency = 3;
    let running: Vec<_> = (0..3).map(|_| fixture.spawn(dispatch(&shared, &json!({"do": "wait"})))).collect();
    let requests = || fixture.factory.containers.lock().unwrap().first().map(|c| c.state.requests.clone());
    eventually("all three run", || {
        requests().is_some_and(|requests| {
            requests.lock().unwrap().iter().filter(|(path, _)| path == "/run").count() == 3
        })
    })
    .await;
    fixture.factory.run_gate.add_permits(3);
    for task in running {
        assert_eq!(result(&task.await.unwrap().unwrap()).0, 0);
    }
    assert_eq!(fixture.factory.count("create"), 1);
    let spec = fixture.factory.specs.lock().unwrap()[0].clone();
    assert!(spec.env.contains(&("__OW_ALLOW_CONCURRENT".to_owned(), "true".to_owned())));
    fixture.stop().await;
}

#[tokio::test]
async fn the_spec_says_what_the_container_may_use() {
    let fixture = Fixture::new().await;
    fixture.run(dispatch(&action("hello"), &json!({}))).await;
    let spec = fixture.factory.specs.lock().unwrap()[0].clone();
    assert_eq!((spec.memory, spec.cpu_shares), (256 << 20, 256));
    assert_eq!((spec.kind.as_str(), spec.image.as_str()), ("nodejs:20", "openwhisk/n20"));
    assert_eq!(spec.name, "wsk0_1_cold_nodejs_20");
    for (name, value) in [("__OW_API_HOST", "http://localhost:3233"), ("__OW_ALLOW_CONCURRENT", "false")] {
        assert!(spec.env.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn memory_is_never_over_committed() {
    let mut config = config();
    config.user_memory = 512;
    let fixture = Fixture::with(config).await;
    let tasks: Vec<_> =
        (0..24).map(|n| fixture.spawn(dispatch(&action(&format!("a{}", n % 6)), &json!({})))).collect();
    for task in tasks {
        assert_eq!(result(&task.await.unwrap().unwrap()).0, 0);
    }
    assert_eq!(fixture.factory.most_used.load(Ordering::SeqCst), 512 << 20);
    assert!(fixture.factory.count("destroy") >= 4, "others were evicted");
    assert!(fixture.invoker.metrics().recreated > 0);
    fixture.stop().await;
}

#[tokio::test]
async fn whoever_waits_too_long_is_told() {
    let mut config = config();
    config.user_memory = 256;
    config.queue.wait_limit = Duration::from_millis(50);
    let fixture = Fixture::with(config).await;
    let busy = fixture.spawn(dispatch(&action("busy"), &json!({"do": "wait"})));
    eventually("it runs", || fixture.invoker.metrics().cold == 1).await;
    let error = fixture.try_run(dispatch(&action("hello"), &json!({}))).await.unwrap_err();
    assert_eq!(error.to_string(), "no room for a container of 256 MB: none came free within 50 ms");
    let mut large = action("large");
    large.limits.memory = 512;
    let error = fixture.try_run(dispatch(&large, &json!({}))).await.unwrap_err();
    assert!(matches!(error, DispatchError::NoRoom { memory: 512, .. }), "{error}");
    fixture.factory.run_gate.add_permits(1);
    assert_eq!(result(&busy.await.unwrap().unwrap()).0, 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_container_that_becomes_free_serves_before_the_new_one_is_there() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    let first = fixture.spawn(dispatch(&hello, &json!({"do": "wait"})));
    eventually("it runs", || fixture.invoker.metrics().cold == 1).await;
    fixture.factory.script.lock().unwrap().gated = true;
    let second = fixture.spawn(dispatch(&hello, &json!({})));
    eventually("another was ordered", || fixture.factory.count("create") == 2).await;
    fixture.factory.run_gate.add_permits(1);
    let first = first.await.unwrap().unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!(container_of(&first), container_of(&second));
    fixture.factory.create_gate.add_permits(1);
    eventually("the other is there too", || fixture.invoker.capacity().idle == 512).await;
    fixture.stop().await;
}

#[tokio::test]
async fn stem_cells_are_taken_and_replaced() {
    let mut config = config();
    let hello = action("hello");
    config.prewarm.stem_cells = vec![stem_cell()];
    let fixture = Fixture::with(config).await;
    eventually("one is started", || fixture.invoker.capacity().idle == 256).await;
    fixture.run(dispatch(&hello, &json!({}))).await;
    assert_eq!(fixture.invoker.metrics().prewarmed, 1);
    eventually("it is replaced", || fixture.invoker.capacity().idle == 512).await;
    fixture.stop().await;
}

#[tokio::test]
async fn an_update_removes_containers() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    fixture.run(dispatch(&hello, &json!({}))).await;
    let busy = fixture.spawn(dispatch(&hello, &json!({"do": "wait"})));
    let requests = fixture.factory.container(0).state.requests.clone();
    eventually("it runs", || requests.lock().unwrap().len() == 3).await;
    let changed = ChangedAction { id: hello.id.clone(), current: None };
    fixture.invoker.invalidate(&changed);
    assert_eq!(fixture.factory.count("destroy"), 0);
    fixture.factory.run_gate.add_permits(1);
    assert_eq!(result(&busy.await.unwrap().unwrap()).0, 0);
    eventually("it is removed", || fixture.factory.count("destroy") == 1).await;
    fixture.run(dispatch(&hello, &json!({}))).await;
    fixture.invoker.invalidate(&changed);
    eventually("the idle one is removed at once", || fixture.factory.count("destroy") == 2).await;
    fixture.stop().await;
}
