//! New containers: slow to listen, dead when needed, shutting down.

use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_container::ExitReason;
use oxwhisk_invoker_api::DispatchError;
use serde_json::json;

use crate::fixture::{Fixture, action, config, container_of, dispatch, eventually, has_init_time, result};

#[tokio::test]
async fn a_server_may_take_its_time_to_listen() {
    let fixture = Fixture::new().await;
    fixture.factory.script.lock().unwrap().listen_delay = Duration::from_millis(150);
    assert_eq!(result(&fixture.run(dispatch(&action("hello"), &json!({}))).await).0, 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_before_it_listens_does_not_cost_the_whole_time_limit() {
    let fixture = Fixture::new().await;
    fixture.factory.script.lock().unwrap().listen_delay = Duration::from_secs(3600);
    let mut hello = action("hello");
    hello.limits.timeout = 3_600_000;
    let running = fixture.spawn(dispatch(&hello, &json!({})));
    eventually("it is there", || fixture.factory.containers.lock().unwrap().len() == 1).await;
    fixture.factory.container(0).state.die(ExitReason::Exited(1));
    let error = json!({"error": "The action did not initialize and exited unexpectedly."});
    assert_eq!(result(&running.await.unwrap().unwrap()), (2, error));
    fixture.stop().await;
}

#[tokio::test]
async fn init_and_run_carry_what_the_protocol_says() {
    let fixture = Fixture::new().await;
    let mut hello = dispatch(&action("hello"), &json!({"who": "me"}));
    hello.attempt = 2;
    hello.init_environment = vec![("CFG".to_owned(), "1".to_owned())];
    hello.api_key = Some(oxwhisk_invoker_api::ApiKey("uuid:key".to_owned()));
    let id = hello.activation_id.to_string();
    fixture.run(hello).await;
    let requests = fixture.factory.container(0).state.requests.lock().unwrap().clone();
    let (path, init) = &requests[0];
    assert_eq!((path.as_str(), &init["value"]["code"]), ("/init", &json!("ok")));
    let environment = &init["value"]["env"];
    for (name, value) in [
        ("__OW_ACTIVATION_ID", id.as_str()),
        ("__OW_API_KEY", "uuid:key"),
        ("__OW_ATTEMPT", "2"),
        ("CFG", "1"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    let (path, run) = &requests[1];
    assert_eq!((path.as_str(), &run["value"]), ("/run", &json!({"who": "me"})));
    assert_eq!((&run["activation_id"], &run["api_key"]), (&json!(id), &json!("uuid:key")));
    let deadline = |text: &serde_json::Value| text.as_str().unwrap().parse::<i64>().unwrap();
    assert!(deadline(&run["deadline"]) >= deadline(&environment["__OW_DEADLINE"]));
    fixture.stop().await;
}

#[tokio::test]
async fn a_container_found_dead_is_replaced_without_the_caller_knowing() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    let first = container_of(&fixture.run(dispatch(&hello, &json!({}))).await);
    let state = fixture.factory.container(0).state.clone();
    state.die(ExitReason::Signalled(9));
    eventually("its connection is closed", || state.connections.load(Ordering::SeqCst) == 0).await;
    let second = fixture.run(dispatch(&hello, &json!({}))).await;
    assert_ne!(first, container_of(&second));
    assert!(has_init_time(&second));
    assert_eq!(fixture.invoker.metrics().reschedules, 1);
    eventually("the dead one is removed", || fixture.factory.count("destroy") == 1).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_connection_that_the_runtime_closed_is_opened_again() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    fixture.run(dispatch(&hello, &json!({"do": "close-after"}))).await;
    let state = fixture.factory.container(0).state.clone();
    eventually("its connection is closed", || state.connections.load(Ordering::SeqCst) == 0).await;
    let second = fixture.run(dispatch(&hello, &json!({}))).await;
    assert!(!has_init_time(&second));
    assert_eq!(fixture.invoker.metrics().reschedules, 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_runtime_that_shuts_down_loses_its_run_to_another() {
    let fixture = Fixture::new().await;
    let mut config = config();
    config.max_reschedules = 2;
    let bounded = Fixture::with(config).await;
    let refusing = json!({"do": "body", "status": 503, "body": "{}"});
    let error = bounded.try_run(dispatch(&action("hello"), &refusing)).await.unwrap_err();
    assert!(matches!(error, DispatchError::NoRoom { .. }), "{error}");
    assert_eq!(bounded.factory.count("create"), 3);
    assert_eq!(fixture.factory.count("create"), 0);
    fixture.stop().await;
    bounded.stop().await;
}

#[tokio::test]
async fn large_arguments_and_answers_pass() {
    let fixture = Fixture::new().await;
    let text = "é\n".repeat(300_000);
    for _ in 0..2 {
        let mut large = dispatch(&action("hello"), &json!({"text": text}));
        large.response_limits.max = 4 << 20;
        let (code, body) = result(&fixture.run(large).await);
        assert_eq!(code, 0);
        assert!(body["message"]["value"]["text"] == text);
    }
    assert_eq!(fixture.factory.count("create"), 1);
    fixture.stop().await;
}
