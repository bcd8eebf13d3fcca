//! Each row of the table of container outcomes.

use std::time::{Duration, Instant};

use oxwhisk_container::CreateError;
use oxwhisk_core::entity::StoreLevel;
use oxwhisk_invoker_api::{CodeError, StorePolicy};
use serde_json::{Value, json};

use crate::fixture::{Fixture, action, dispatch, eventually, result};

async fn error_of(fixture: &Fixture, arguments: Value, timeout: u64) -> (u8, Value) {
    let mut action = action("hello");
    action.limits.timeout = timeout;
    let (code, result) = result(&fixture.run(dispatch(&action, &arguments)).await);
    (code, result["error"].clone())
}

#[tokio::test]
async fn answers_become_results() {
    let fixture = Fixture::new().await;
    let invalid = "The action did not produce a valid JSON or JSON Array response";
    for (arguments, expected) in [
        (json!({"do": "body", "body": "{\"a\": 1}"}), (0, json!({"a": 1}))),
        (json!({"do": "body", "body": "[1]"}), (0, json!([1]))),
        (json!({"do": "chunked"}), (0, json!({"a": 1}))),
        (json!({"do": "body", "body": "{\"error\": 1, \"x\": 2}"}), (1, json!({"error": 1}))),
        (json!({"do": "body", "status": 502, "body": "{\"error\": 1}"}), (2, json!({"error": 1}))),
        (json!({"do": "body", "status": 502, "body": "no"}), (2, json!({"error": format!("{invalid}: no")}))),
        (json!({"do": "body", "body": ""}), (2, json!({"error": format!("{invalid}.")}))),
        (json!({"do": "body", "body": "{\"a\":"}), (2, json!({"error": format!("{invalid}: {{\"a\":")}))),
    ] {
        let completion = fixture.run(dispatch(&action("hello"), &arguments)).await;
        assert_eq!(result(&completion), expected, "{arguments}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_broken_connection_is_the_actions_fault() {
    let fixture = Fixture::new().await;
    let exited = "The action did not produce a valid response and exited unexpectedly.";
    let exhausted = "The action exhausted its memory and was aborted.";
    for (arguments, error) in [
        (json!({"do": "die"}), exited),
        (json!({"do": "oom"}), exhausted),
        (json!({"do": "raw", "raw": "HTTP/1.1 200 OK\r\n\r\n{}"}), exited),
        (json!({"do": "raw", "raw": "what?\r\n\r\n"}), exited),
    ] {
        let outcome = error_of(&fixture, arguments.clone(), 10_000).await;
        assert_eq!(outcome, (2, json!(error)), "{arguments}");
    }
    eventually("all four are removed", || fixture.factory.count("destroy") == 4).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_cut_and_its_container_kept() {
    let fixture = Fixture::new().await;
    let mut long = dispatch(&action("hello"), &json!({"do": "large", "size": 100_000}));
    long.response_limits.max = 1000;
    long.response_limits.truncation = 10;
    let (code, body) = result(&fixture.run(long).await);
    let expected = "The action produced a response that exceeded the allowed length: 100008 > 1000 bytes. \
                    The truncated response was: {\"x\":\"xxxx";
    assert_eq!((code, body["error"].as_str()), (1, Some(expected)));
    let next = fixture.run(dispatch(&action("hello"), &json!({}))).await;
    assert_eq!(result(&next).0, 0);
    assert_eq!(fixture.factory.count("create"), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn a_run_that_takes_too_long_ends_its_container() {
    let fixture = Fixture::new().await;
    let mut action = action("hello");
    action.limits.timeout = 100;
    let completion = fixture.run(dispatch(&action, &json!({"do": "hang"}))).await;
    let error = json!({"error": "The action exceeded its time limits of 100 milliseconds."});
    assert_eq!(result(&completion), (2, error));
    assert_eq!(completion.activation.annotations.get("timeout"), Some(&json!(true)));
    eventually("it is removed", || fixture.factory.count("destroy") == 1).await;
    fixture.stop().await;
}

#[tokio::test]
async fn failures_of_init() {
    let fixture = Fixture::new().await;
    for (code, error) in [
        ("init-die", json!("The action did not initialize and exited unexpectedly.")),
        ("init-oom", json!("The action exhausted its memory and was aborted.")),
        ("init-error", json!({"why": "syntax"})),
        ("init-text", json!("The action failed during initialization: boom")),
        (
            "init-slow",
            json!("The action exceeded its time limits of 150 milliseconds during initialization."),
        ),
    ] {
        fixture.set_code("bad", Ok(code));
        let mut action = action("bad");
        action.limits.timeout = 150;
        let completion = fixture.run(dispatch(&action, &json!({}))).await;
        assert_eq!(result(&completion), (2, json!({"error": error})), "{code}");
        let annotations = &completion.activation.annotations;
        assert!(annotations.get("initTime").is_some());
        assert_eq!(annotations.get("timeout"), Some(&json!(code == "init-slow")), "{code}");
    }
    eventually("all are removed", || fixture.factory.count("destroy") == 5).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_container_that_dies_right_after_init_is_the_actions_fault() {
    let fixture = Fixture::new().await;
    fixture.set_code("bad", Ok("init-then-die"));
    let completion = fixture.run(dispatch(&action("bad"), &json!({"do": "hang"}))).await;
    let error = json!({"error": "The action did not produce a valid response and exited unexpectedly."});
    assert_eq!(result(&completion), (2, error));
    assert_eq!(fixture.factory.count("create"), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn containers_that_cannot_be_made() {
    let fixture = Fixture::new().await;
    let image = || "me/img".to_owned();
    for (error, code, text) in [
        (CreateError::ImagePull { image: image() }, 2, "Failed to pull container image 'me/img'."),
        (CreateError::CommandNotFound { image: image() }, 2, "executable file not found in image me/img"),
        (CreateError::Platform("x".to_owned()), 3, "Failed to provision resources to run the action."),
    ] {
        fixture.factory.script.lock().unwrap().create_errors.push_back(error);
        let completion = fixture.run(dispatch(&action("hello"), &json!({}))).await;
        assert_eq!(result(&completion), (code, json!({"error": text})));
        assert_eq!(fixture.records.of(completion.activation.activation_id).len(), 1);
    }
    assert_eq!(result(&fixture.run(dispatch(&action("hello"), &json!({}))).await).0, 0);
    assert_eq!(fixture.invoker.metrics().create_failures, 3);
    fixture.stop().await;
}

#[tokio::test]
async fn code_that_cannot_be_had() {
    let fixture = Fixture::new().await;
    for (error, code, text) in [
        (CodeError::NotFound, 1, "Action could not be found or may have been deleted."),
        (CodeError::Mismatch, 3, "Action version is not compatible and cannot be invoked."),
        (CodeError::Unavailable, 3, "Action could not be fetched."),
    ] {
        fixture.set_code("gone", Err(error));
        let completion = fixture.run(dispatch(&action("gone"), &json!({}))).await;
        assert_eq!(result(&completion), (code, json!({"error": text})));
        let record = &fixture.records.of(completion.activation.activation_id)[0];
        assert_eq!((record.duration, record.annotations.get("kind")), (Some(0), Some(&json!("unknown"))));
    }
    // The container that was started is not lost: the next action of its kind gets it.
    assert_eq!(result(&fixture.run(dispatch(&action("hello"), &json!({}))).await).0, 0);
    assert_eq!(fixture.factory.count("create"), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_kept_does_not_take_the_answer_away() {
    let fixture = Fixture::new().await;
    fixture.records.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(result(&fixture.run(dispatch(&action("hello"), &json!({}))).await).0, 0);
    assert_eq!(fixture.invoker.metrics().records_not_kept, 1);
    fixture.stop().await;
}

#[tokio::test]
async fn a_record_that_is_too_large_is_kept_without_its_logs() {
    let fixture = Fixture::new().await;
    fixture.records.no_logs.store(true, std::sync::atomic::Ordering::SeqCst);
    let completion = fixture.run(dispatch(&action("hello"), &json!({"stdout": "much\n"}))).await;
    let kept = fixture.records.of(completion.activation.activation_id);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].logs, ["There was an issue while collecting your logs. Data might be missing."]);
    assert_eq!(fixture.invoker.metrics().records_not_kept, 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_record_that_is_not_wanted_is_not_kept() {
    let fixture = Fixture::new().await;
    let mut quiet = dispatch(&action("hello"), &json!({}));
    quiet.store = StorePolicy::NEVER;
    let completion = fixture.run(quiet).await;
    assert!(fixture.records.of(completion.activation.activation_id).is_empty());
    fixture.stop().await;
}

#[tokio::test]
async fn how_an_activation_ended_decides_whether_its_record_is_kept() {
    let fixture = Fixture::new().await;
    let error = json!({"do": "body", "body": "{\"error\": 1}"});
    for (level, arguments, kept) in [
        (StoreLevel::Failures, json!({}), false),
        (StoreLevel::Failures, error.clone(), true),
        (StoreLevel::FailuresNotApplicationErrors, error, false),
        (StoreLevel::FailuresNotApplicationErrors, json!({"do": "body", "body": "no"}), true),
    ] {
        let mut choosy = dispatch(&action("hello"), &arguments);
        choosy.store = StorePolicy { level: Some(level), log_unstored: true };
        let id = fixture.run(choosy).await.activation.activation_id;
        assert_eq!(!fixture.records.of(id).is_empty(), kept, "{level} {arguments}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn late_logs_do_not_bring_back_a_record_that_is_not_kept() {
    let fixture = Fixture::new().await;
    let mut choosy = dispatch(&action("hello"), &json!({"stdout": "early\n", "marks": "after"}));
    choosy.store = StorePolicy { level: Some(StoreLevel::Failures), log_unstored: false };
    let id = fixture.run(choosy).await.activation.activation_id;
    assert_eq!(fixture.invoker.metrics().late_logs, 1);
    // Ends when the logs are collected.
    assert!(fixture.invoker.drain(Instant::now() + Duration::from_secs(30)).await);
    assert!(fixture.records.of(id).is_empty());
    fixture.stop().await;
}
