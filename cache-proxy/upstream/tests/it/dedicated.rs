//! Connections of one user's own.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_cache_upstream::{Address, Dedicated, Login, Private, Protocol, UpstreamConfig, UpstreamError};
use oxwhisk_redis_server::{RedisServer, encoded};

/// Longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(60);

fn pool(server: &RedisServer, most: usize) -> Dedicated {
    let mut config = UpstreamConfig::new(Address::Unix(server.socket()), Login::default(), Protocol::Resp2);
    config.connect_timeout = DEADLINE;
    Dedicated::new(Arc::new(config), most, 1)
}

async fn receive(private: &mut Private) -> String {
    let reply = tokio::time::timeout(DEADLINE, private.receive()).await.expect("in time").unwrap();
    String::from_utf8_lossy(&reply).replace("\r\n", "|")
}

async fn ask(private: &mut Private, words: &[&str]) -> String {
    private.send(&encoded(words), 1).await.unwrap();
    receive(private).await
}

async fn id(private: &mut Private) -> String {
    ask(private, &["CLIENT", "ID"]).await
}

#[tokio::test]
async fn what_one_begins_is_on_its_connection_alone() {
    let Some(server) = RedisServer::start("what_one_begins") else { return };
    let pool = pool(&server, 2);
    let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    assert_eq!(ask(&mut one, &["MULTI"]).await, "+OK|");
    assert_eq!(ask(&mut one, &["SET", "k", "v"]).await, "+QUEUED|");
    assert_eq!(ask(&mut other, &["GET", "k"]).await, "$-1|");
    assert_eq!(ask(&mut one, &["EXEC"]).await, "*1|+OK|");
    assert_eq!(ask(&mut other, &["GET", "k"]).await, "$1|v|");
    // What a subscription brings was not asked for one by one.
    assert_eq!(ask(&mut one, &["SUBSCRIBE", "c"]).await, "*3|$9|subscribe|$1|c|:1|");
    for message in ["a", "b"] {
        assert_eq!(ask(&mut other, &["PUBLISH", "c", message]).await, ":1|");
    }
    assert_eq!(receive(&mut one).await, "*3|$7|message|$1|c|$1|a|");
    assert_eq!(receive(&mut one).await, "*3|$7|message|$1|c|$1|b|");
}

#[tokio::test]
async fn there_are_no_more_than_may_be() {
    let Some(server) = RedisServer::start("there_are_no_more_than_may_be") else { return };
    let pool = pool(&server, 2);
    let (one, other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    assert_eq!(pool.acquire().await.unwrap_err(), UpstreamError::Busy);
    drop(one);
    assert_eq!(pool.free(), 1);
    drop((pool.acquire().await.unwrap(), other));
    assert_eq!(pool.free(), 2);
}

#[tokio::test]
async fn only_clean_ones_are_used_again() {
    let Some(mut server) = RedisServer::start("only_clean_ones_are_used_again") else { return };
    let pool = pool(&server, 2);
    let mut private = pool.acquire().await.unwrap();
    let first = id(&mut private).await;
    private.hand_back();
    let mut again = pool.acquire().await.unwrap();
    assert_eq!(id(&mut again).await, first);
    // It waits, and somebody gave it up.
    again.send(&encoded(&["BLPOP", "none", "0"]), 1).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(20), again.receive()).await.is_err());
    again.hand_back();
    let mut another = pool.acquire().await.unwrap();
    let second = id(&mut another).await;
    assert_ne!(second, first);
    another.hand_back();
    // It was closed while nobody had it.
    server.kill();
    assert_eq!(pool.acquire().await.unwrap_err(), UpstreamError::Away);
    server.start_again();
    let mut fresh = pool.acquire().await.unwrap();
    assert_eq!(ask(&mut fresh, &["PING"]).await, "+PONG|");
    server.kill();
    assert_eq!(tokio::time::timeout(DEADLINE, fresh.receive()).await.unwrap(), Err(UpstreamError::Broken));
    assert_eq!(fresh.send(b"", 0).await, Err(UpstreamError::Broken));
    fresh.hand_back();
}

#[tokio::test]
async fn a_reply_that_was_waited_for_in_vain_is_there_later() {
    let Some(server) = RedisServer::start("a_reply_that_was_waited_for_in_vain") else { return };
    let pool = pool(&server, 2);
    let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    one.send(&encoded(&["BLPOP", "list", "0"]), 1).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(20), one.receive()).await.is_err());
    assert_eq!(ask(&mut other, &["RPUSH", "list", "x"]).await, ":1|");
    assert_eq!(receive(&mut one).await, "*2|$4|list|$1|x|");
    one.hand_back();
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_passed_over() {
    let Some(server) = RedisServer::start("a_reply_that_is_too_large_is_passed_over") else { return };
    let address = Address::Unix(server.socket());
    let config = UpstreamConfig {
        max_replies: 1 << 16,
        ..UpstreamConfig::new(address, Login::default(), Protocol::Resp2)
    };
    let pool = Dedicated::new(Arc::new(config), 1, 1);
    let mut private = pool.acquire().await.unwrap();
    assert_eq!(ask(&mut private, &["SET", "large", &"x".repeat(1 << 20)]).await, "+OK|");
    let requests = [encoded(&["GET", "large"]), encoded(&["PING"]), encoded(&["GET", "large"])].concat();
    private.send(&requests, 3).await.unwrap();
    let first = tokio::time::timeout(DEADLINE, private.receive()).await.expect("in time");
    assert_eq!(first, Err(UpstreamError::TooLarge));
    assert_eq!(receive(&mut private).await, "+PONG|");
    // Given up in the middle of it.
    let _ = tokio::time::timeout(Duration::ZERO, private.receive()).await;
    if let Ok(last) = tokio::time::timeout(Duration::from_millis(1), private.receive()).await {
        assert_eq!(last, Err(UpstreamError::TooLarge));
    }
    private.hand_back();
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), &["PING"]).await, "+PONG|");
}
