//! Activations that were to have the cache and get nothing of it.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::cache::CacheUse;
use oxwhisk_invoker_api::{CacheTokenError, Completion};
use serde_json::{Value, json};

use crate::fixture::{Fixture, action, config, container_of, dispatch, has_init_time, result};
use crate::tokens::{Event, Failure, Tokens, away, with_cache};

const NO_CACHE: &str = "this platform has no cache";
const AWAY: &str = "the cache is not available: no connection";

/// Why it had none, as its record says.
fn recorded(completion: &Completion) -> Option<String> {
    completion.activation.annotations.string("cacheError").map(std::borrow::Cow::into_owned)
}

#[tokio::test]
async fn it_runs_without_and_is_told_why() {
    let tokens = Arc::new(Tokens::default());
    let fixture = Fixture::with(tokens.config()).await;
    let refused = Failure::Error(CacheTokenError::Refused("the ticket is not authentic".to_owned()));
    for (failure, reason) in [
        (away(), AWAY),
        (refused, "the cache gives no token: the ticket is not authentic"),
        (Failure::Silence, "the cache is not available: it gave no token within 50 ms"),
    ] {
        tokens.fail([failure]);
        let activation = with_cache(dispatch(&action("hello"), &json!({})), false);
        let id = activation.activation_id;
        let completion = fixture.run(activation).await;
        let body = &result(&completion).1["message"];
        assert_eq!(
            (&body["cache_error"], &body["cache_url"], &body["cache_token"]),
            (&json!(reason), &Value::Null, &Value::Null)
        );
        assert_eq!(recorded(&completion).as_deref(), Some(reason));
        assert_eq!(recorded_of(&fixture, &completion).as_deref(), Some(reason));
        // It may have been issued all the same.
        assert_eq!(tokens.of(id), [Event::NotIssued(id), Event::Revoked(id), Event::Ended(id)]);
    }
    let env = fixture.factory.container(0).state.requests.lock().unwrap()[0].1["value"]["env"].clone();
    assert_eq!((&env["__OW_CACHE_URL"], &env["__OW_CACHE_TOKEN"]), (&Value::Null, &Value::Null));
    fixture.stop().await;
}

/// As [`recorded`], of the record that was handed over.
fn recorded_of(fixture: &Fixture, completion: &Completion) -> Option<String> {
    let records = fixture.records.of(completion.activation.activation_id);
    assert_eq!(records.len(), 1);
    records[0].annotations.string("cacheError").map(std::borrow::Cow::into_owned)
}

#[tokio::test]
async fn no_token_is_asked_for_where_nothing_is_granted() {
    let tokens = Arc::new(Tokens::default());
    let (with, without) = (Fixture::with(tokens.config()).await, Fixture::with(config()).await);
    let mut malformed = dispatch(&action("hello"), &json!({}));
    malformed.cache = Some(CacheUse { grant: Err("no such scope".to_owned()), required: false });
    assert_eq!(recorded(&with.run(malformed.clone()).await).as_deref(), Some("no such scope"));
    assert_eq!(tokens.of(malformed.activation_id), [Event::Ended(malformed.activation_id)]);
    // What its author can mend is said first.
    assert_eq!(recorded(&without.run(malformed).await).as_deref(), Some("no such scope"));
    let granted = with_cache(dispatch(&action("hello"), &json!({})), false);
    assert_eq!(recorded(&without.run(granted).await).as_deref(), Some(NO_CACHE));
    with.stop().await;
    without.stop().await;
}

/// Status, text and the reason in the record of an activation that did not run.
fn refusal(completion: &Completion) -> (u8, Value, Option<String>) {
    let (code, result) = result(completion);
    (code, result["error"].clone(), recorded(completion))
}

#[tokio::test]
async fn what_requires_it_does_not_run_and_leaves_the_container_to_the_next() {
    let tokens = Arc::new(Tokens::default());
    let fixture = Fixture::with(tokens.config()).await;
    let required = || with_cache(dispatch(&action("hello"), &json!({})), true);
    let expected = (3, json!(format!("The action requires the cache: {AWAY}")), Some(AWAY.to_owned()));
    tokens.fail([away()]);
    let refused = required();
    let id = refused.activation_id;
    let cold = fixture.run(refused).await;
    assert_eq!(refusal(&cold), expected);
    assert_eq!(fixture.records.of(id).len(), 1);
    assert_eq!(tokens.of(id), [Event::NotIssued(id), Event::Revoked(id), Event::Ended(id)]);
    assert!(fixture.factory.container(0).state.requests.lock().unwrap().is_empty(), "none of its code ran");

    // The container is the next one's, new as it was; and so it is when it is warm.
    let next = fixture.run(required()).await;
    assert!(has_init_time(&next));
    tokens.fail([away()]);
    assert_eq!(refusal(&fixture.run(required()).await), expected);
    let last = fixture.run(required()).await;
    assert_eq!((container_of(&last), has_init_time(&last)), (container_of(&next), false));
    assert_eq!(fixture.factory.containers.lock().unwrap().len(), 1);
    let requests = fixture.factory.container(0).state.requests.lock().unwrap().len();
    assert_eq!(requests, 3, "one initialisation and two runs");
    fixture.stop().await;
}

#[tokio::test]
async fn what_requires_it_does_not_run_on_a_platform_without() {
    let fixture = Fixture::new().await;
    let completion = fixture.run(with_cache(dispatch(&action("hello"), &json!({})), true)).await;
    let text = format!("The action requires the cache: {NO_CACHE}");
    assert_eq!(refusal(&completion), (3, json!(text), Some(NO_CACHE.to_owned())));
    let mut malformed = dispatch(&action("hello"), &json!({}));
    malformed.cache = Some(CacheUse { grant: Err("no such scope".to_owned()), required: true });
    let completion = fixture.run(malformed).await;
    assert_eq!(refusal(&completion).1, json!("The action requires the cache: no such scope"));
    fixture.stop().await;
}

#[tokio::test]
async fn one_that_is_refused_between_initialisation_and_run_leaves_a_warm_container() {
    let tokens = Arc::new(Tokens::default());
    let fixture = Fixture::with(tokens.config()).await;
    fixture.factory.script.lock().unwrap().listen_delay = Duration::from_millis(700);
    tokens.fail([Failure::No, away()]);
    let refused = with_cache(dispatch(&action("hello"), &json!({})), true);
    let id = refused.activation_id;
    let completion = fixture.run(refused).await;
    assert_eq!(refusal(&completion).0, 3);
    assert!(has_init_time(&completion));
    let issued = Event::Issued { id, token: "token1".to_owned() };
    assert_eq!(tokens.of(id), [issued, Event::NotIssued(id), Event::Revoked(id), Event::Ended(id)]);
    let next = fixture.run(with_cache(dispatch(&action("hello"), &json!({})), true)).await;
    assert!(!has_init_time(&next));
    fixture.stop().await;
}
