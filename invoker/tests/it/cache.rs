//! What an activation has of the cache, and until when.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use oxwhisk_container::ExitReason;
use oxwhisk_invoker_api::{Completion, Dispatch};
use serde_json::{Value, json};

use crate::containers::ADDRESS;
use crate::fixture::{Fixture, action, container_of, dispatch, eventually, result, stem_cell};
use crate::tokens::{Event, Place, Tokens, URL, with_cache};

/// An invoker with a cache.
async fn invoker() -> (Arc<Tokens>, Fixture) {
    let tokens = Arc::new(Tokens::default());
    let fixture = Fixture::with(tokens.config()).await;
    (tokens, fixture)
}

fn hello(arguments: &Value) -> Dispatch {
    with_cache(dispatch(&action("hello"), arguments), false)
}

/// What `/run` said of the cache, from an answer that has the body in it.
fn told(completion: &Completion) -> [Value; 3] {
    let body = &result(completion).1["message"];
    ["cache_url", "cache_token", "cache_error"].map(|name| body[name].clone())
}

/// What `/init` said of it to a container.
fn told_at_init(fixture: &Fixture, container: usize) -> [Value; 2] {
    let requests = fixture.factory.container(container).state.requests.lock().unwrap().clone();
    assert_eq!(requests[0].0, "/init");
    ["__OW_CACHE_URL", "__OW_CACHE_TOKEN"].map(|name| requests[0].1["value"]["env"][name].clone())
}

#[tokio::test]
async fn a_token_is_there_before_the_code_and_dead_before_the_answer() {
    let (tokens, fixture) = invoker().await;
    let (first, second) = (hello(&json!({})), hello(&json!({})));
    let ids = [first.activation_id, second.activation_id];
    let cold = fixture.run(first).await;
    assert_eq!(told(&cold), [json!(URL), json!("token1"), Value::Null]);
    assert_eq!(told_at_init(&fixture, 0), [json!(URL), json!("token1")]);
    let warm = fixture.run(second).await;
    assert_eq!(told(&warm)[1], json!("token2"));
    assert_eq!(container_of(&warm), container_of(&cold));
    for (id, token) in ids.into_iter().zip(["token1", "token2"]) {
        let issued = Event::Issued { id, token: token.to_owned() };
        assert_eq!(tokens.of(id), [issued, Event::Revoked(id), Event::Ended(id)]);
    }
    let place = Place { name: container_of(&cold), address: Some(ADDRESS), is_alone: true };
    assert_eq!(*tokens.places.lock().unwrap(), [place.clone(), place]);
    assert_eq!(cold.activation.annotations.get("cacheError").map(|value| value.get()), None);
    fixture.stop().await;
}

#[tokio::test]
async fn activations_that_do_not_ask_have_nothing() {
    let (tokens, fixture) = invoker().await;
    let completion = fixture.run(dispatch(&action("hello"), &json!({}))).await;
    assert_eq!(told(&completion), [Value::Null, Value::Null, Value::Null]);
    assert_eq!(told_at_init(&fixture, 0), [Value::Null, Value::Null]);
    assert_eq!(tokens.events(), [Event::Ended(completion.activation.activation_id)]);
    fixture.stop().await;
}

#[tokio::test]
async fn a_prewarmed_container_gets_it_as_a_new_one_does() {
    let tokens = Arc::new(Tokens::default());
    let mut config = tokens.config();
    config.prewarm.stem_cells = vec![stem_cell()];
    let fixture = Fixture::with(config).await;
    eventually("it is there", || fixture.factory.containers.lock().unwrap().len() == 1).await;
    let completion = fixture.run(hello(&json!({}))).await;
    assert_eq!(fixture.invoker.metrics().prewarmed, 1);
    assert_eq!(told(&completion)[1], json!("token1"));
    assert_eq!(told_at_init(&fixture, 0)[1], json!("token1"));
    assert_eq!(tokens.places.lock().unwrap()[0].name, container_of(&completion));
    fixture.stop().await;
}

#[tokio::test]
async fn it_dies_however_the_activation_ends() {
    let (tokens, fixture) = invoker().await;
    for code in ["init-error", "init-die", "init-slow", "init-then-die"] {
        fixture.set_code(code, Ok(code));
    }
    for (name, arguments) in [
        ("hello", json!({"do": "body", "body": "{\"error\": 1}"})),
        ("hello", json!({"do": "body", "body": "no JSON"})),
        ("hello", json!({"marks": "after"})),
        ("hello", json!({"do": "hang"})),
        ("hello", json!({"do": "die"})),
        ("init-error", json!({})),
        ("init-die", json!({})),
        ("init-slow", json!({})),
        ("init-then-die", json!({"do": "hang"})),
    ] {
        let mut action = action(name);
        action.limits.timeout = 100;
        let ending = with_cache(dispatch(&action, &arguments), false);
        let id = ending.activation_id;
        fixture.run(ending).await;
        let events = tokens.of(id);
        assert_eq!(events.len(), 3, "{name} {arguments}: {events:?}");
        assert!(matches!(events[0], Event::Issued { .. }), "{name} {arguments}: {events:?}");
        assert_eq!(events[1..], [Event::Revoked(id), Event::Ended(id)], "{name} {arguments}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn it_dies_with_its_container_and_a_new_one_is_for_the_next() {
    let (tokens, fixture) = invoker().await;
    let first = container_of(&fixture.run(hello(&json!({}))).await);
    let state = fixture.factory.container(0).state.clone();
    state.die(ExitReason::Signalled(9));
    eventually("its connection is closed", || state.connections.load(Ordering::SeqCst) == 0).await;
    let again = hello(&json!({}));
    let id = again.activation_id;
    let second = fixture.run(again).await;
    assert_ne!(container_of(&second), first);
    assert_eq!(told(&second)[1], json!("token3"));
    let issued = |token: &str| Event::Issued { id, token: token.to_owned() };
    let revoked = Event::Revoked(id);
    assert_eq!(
        tokens.of(id),
        [issued("token2"), revoked.clone(), issued("token3"), revoked, Event::Ended(id)]
    );
    fixture.stop().await;
}

#[tokio::test]
async fn it_dies_when_the_invoker_is_shut_down() {
    let (tokens, fixture) = invoker().await;
    let cut_off = hello(&json!({"do": "hang"}));
    let id = cut_off.activation_id;
    let running = fixture.spawn(cut_off);
    eventually("it runs", || fixture.factory.containers.lock().unwrap().first().is_some_and(runs)).await;
    assert!(fixture.invoker.shutdown(Instant::now() + Duration::from_secs(20)).await);
    assert!(running.await.unwrap().unwrap().cut_off);
    let issued = Event::Issued { id, token: "token1".to_owned() };
    assert_eq!(tokens.of(id), [issued, Event::Revoked(id)]);
}

/// Its server has been sent a run.
fn runs(container: &Arc<crate::containers::ScriptedContainer>) -> bool {
    container.state.requests.lock().unwrap().iter().any(|(path, _)| path == "/run")
}

#[test]
fn it_dies_with_whoever_runs_it() {
    let tokens = Arc::new(Tokens::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dropped = hello(&json!({"do": "hang"}));
    let id = dropped.activation_id;
    let fixture = runtime.block_on(async {
        let fixture = Fixture::with(tokens.config()).await;
        fixture.spawn(dropped);
        eventually("it runs", || fixture.factory.containers.lock().unwrap().first().is_some_and(runs)).await;
        fixture
    });
    drop(runtime);
    assert_eq!(tokens.of(id)[1..], [Event::Revoked(id)]);
    drop(fixture);
}

#[tokio::test]
async fn a_slow_initialisation_is_followed_by_another_token() {
    let (tokens, fixture) = invoker().await;
    // More of the second that a token outlives the time limit than may be gone before the run.
    fixture.factory.script.lock().unwrap().listen_delay = Duration::from_millis(700);
    let slow = hello(&json!({}));
    let id = slow.activation_id;
    let completion = fixture.run(slow).await;
    assert_eq!(told_at_init(&fixture, 0)[1], json!("token1"));
    assert_eq!(told(&completion)[1], json!("token2"));
    assert_eq!(tokens.issued(id), ["token1", "token2"]);
    // Not in between: what has logged in goes on.
    assert_eq!(tokens.of(id)[2..], [Event::Revoked(id), Event::Ended(id)]);
    fixture.stop().await;
}

#[tokio::test]
async fn two_at_once_in_one_container_have_a_token_each() {
    let tokens = Arc::new(Tokens::default());
    let mut config = tokens.config();
    config.max_concurrency = 2;
    let fixture = Fixture::with(config).await;
    let mut shared = action("shared");
    shared.limits.concurrency = 2;
    let work = |arguments| with_cache(dispatch(&shared, &arguments), false);
    let container = container_of(&fixture.run(work(json!({}))).await);
    let dispatches = [work(json!({"do": "wait"})), work(json!({"do": "wait"}))];
    let ids = dispatches.each_ref().map(|dispatch| dispatch.activation_id);
    let running = dispatches.map(|dispatch| fixture.spawn(dispatch));
    eventually("both have one", || ids.iter().all(|id| tokens.issued(*id).len() == 1)).await;
    fixture.factory.run_gate.add_permits(2);
    for call in running {
        assert_eq!(container_of(&call.await.unwrap().unwrap()), container);
    }
    assert_ne!(tokens.issued(ids[0]), tokens.issued(ids[1]));
    assert!(tokens.places.lock().unwrap().iter().all(|place| place.name == container && !place.is_alone));
    for id in ids {
        assert_eq!(tokens.of(id)[1..], [Event::Revoked(id), Event::Ended(id)]);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_container_that_is_ended_is_forgotten() {
    let (tokens, fixture) = invoker().await;
    let died = container_of(&fixture.run(hello(&json!({}))).await);
    assert!(!tokens.events().iter().any(|event| matches!(event, Event::Forgotten(_))));
    fixture.run(hello(&json!({"do": "die"}))).await;
    eventually("it is forgotten", || tokens.events().contains(&Event::Forgotten(died.clone()))).await;
    let warm = container_of(&fixture.run(hello(&json!({}))).await);
    fixture.stop().await;
    assert!(tokens.events().contains(&Event::Forgotten(warm)));
}
