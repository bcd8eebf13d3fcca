//! Time, suspension, and the end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;
use oxwhisk_invoker::Invoker;
use oxwhisk_invoker_api::{DispatchError, InvokerClient, StartedObserver};
use serde_json::json;

use crate::containers::ScriptedFactory;
use crate::fixture::{
    Codes, Fixture, Records, action, config, container_of, dispatch, eventually, has_init_time, result,
};

#[tokio::test]
async fn an_idle_container_is_suspended_and_resumed_before_use() {
    let mut config = config();
    config.pause_grace = Duration::from_millis(20);
    let fixture = Fixture::with(config).await;
    let hello = action("hello");
    let first = container_of(&fixture.run(dispatch(&hello, &json!({}))).await);
    eventually("it is suspended", || fixture.factory.count("suspend") == 1).await;
    let second = fixture.run(dispatch(&hello, &json!({}))).await;
    assert_eq!(container_of(&second), first);
    assert!(!has_init_time(&second));
    assert_eq!(fixture.factory.count("resume"), 1);
    eventually("and again", || fixture.factory.count("suspend") == 2).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_container_that_does_not_resume_is_replaced() {
    let mut config = config();
    config.pause_grace = Duration::from_millis(20);
    let fixture = Fixture::with(config).await;
    fixture.factory.script.lock().unwrap().fail_resume = true;
    let hello = action("hello");
    fixture.run(dispatch(&hello, &json!({}))).await;
    eventually("it is suspended", || fixture.factory.count("suspend") == 1).await;
    let second = fixture.run(dispatch(&hello, &json!({}))).await;
    assert!(has_init_time(&second));
    assert_eq!(fixture.invoker.metrics().reschedules, 1);
    fixture.stop().await;
}

#[tokio::test]
async fn an_idle_container_expires() {
    let mut config = config();
    config.pause_grace = Duration::from_millis(10);
    config.idle_timeout = Duration::from_millis(60);
    let fixture = Fixture::with(config).await;
    fixture.run(dispatch(&action("hello"), &json!({}))).await;
    eventually("it is removed", || fixture.factory.count("destroy") == 1).await;
    eventually("its memory is free", || fixture.invoker.capacity().busy == 0).await;
    assert_eq!(fixture.invoker.capacity().idle, 0);
    fixture.stop().await;
}

#[tokio::test]
async fn an_activation_outlives_its_caller() {
    let fixture = Fixture::new().await;
    let waiting = dispatch(&action("hello"), &json!({"do": "wait"}));
    let id = waiting.activation_id;
    let caller = fixture.spawn(waiting);
    eventually("it runs", || fixture.invoker.metrics().cold == 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    fixture.factory.run_gate.add_permits(1);
    eventually("it is recorded", || fixture.records.of(id).len() == 1).await;
    assert_eq!(fixture.records.of(id)[0].response.status.code(), 0);
    assert!(
        !has_init_time(&fixture.run(dispatch(&action("hello"), &json!({}))).await),
        "its container is free"
    );
    fixture.stop().await;
}

#[tokio::test]
async fn draining_takes_nothing_new_and_waits_for_the_rest() {
    let fixture = Fixture::new().await;
    let running = fixture.spawn(dispatch(&action("hello"), &json!({"do": "wait", "marks": "after"})));
    eventually("it runs", || fixture.invoker.metrics().cold == 1).await;
    assert!(!fixture.invoker.drain(Instant::now() + Duration::from_millis(30)).await, "it still runs");
    let refused = fixture.try_run(dispatch(&action("hello"), &json!({}))).await.unwrap_err();
    assert!(matches!(refused, DispatchError::Draining), "{refused}");
    fixture.factory.run_gate.add_permits(1);
    assert!(fixture.invoker.drain(Instant::now() + Duration::from_secs(20)).await);
    let id = running.await.unwrap().unwrap().activation.activation_id;
    assert_eq!(fixture.records.of(id).len(), 2, "its logs were waited for");
    fixture.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_running_activations_as_the_platforms_fault() {
    let fixture = Fixture::new().await;
    let running = fixture.spawn(dispatch(&action("hello"), &json!({"do": "hang"})));
    let started = || fixture.factory.containers.lock().unwrap().first().map(|c| c.state.requests.clone());
    eventually("it runs", || started().is_some_and(|requests| requests.lock().unwrap().len() == 2)).await;
    assert!(fixture.invoker.shutdown(Instant::now() + Duration::from_secs(20)).await);
    let completion = running.await.unwrap().unwrap();
    let error = json!({"error": "The invoker was shut down while the action ran."});
    assert_eq!(result(&completion), (3, error));
    assert_eq!(fixture.factory.count("destroy"), 1);
    assert_eq!(fixture.factory.events().last().map(String::as_str), Some("cleanup"));
}

#[derive(Debug, Default)]
struct Started(Mutex<Vec<ActivationId>>);

#[async_trait]
impl StartedObserver for Started {
    async fn started(&self, id: ActivationId) {
        self.0.lock().unwrap().push(id);
    }
}

#[tokio::test]
async fn an_observer_is_told_before_each_run_but_not_before_a_failed_init() {
    let (factory, codes, records) =
        (ScriptedFactory::new(), Arc::new(Codes::default()), Arc::new(Records::default()));
    let observer = Arc::new(Started::default());
    let invoker =
        Invoker::start(config(), factory.clone(), codes.clone(), records.clone(), Some(observer.clone()))
            .await
            .unwrap();
    let fixture = Fixture { invoker, factory, codes, records };
    let good = dispatch(&action("hello"), &json!({}));
    let id = good.activation_id;
    fixture.run(good).await;
    fixture.set_code("bad", Ok("init-error"));
    fixture.run(dispatch(&action("bad"), &json!({}))).await;
    assert_eq!(*observer.0.lock().unwrap(), [id]);
    fixture.stop().await;
}
