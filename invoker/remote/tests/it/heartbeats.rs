//! The invoker's sign of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::heartbeat::{Heartbeat, InvokerHeartbeat};
use oxwhisk_invoker_remote::server::{HeartbeatOptions, InvokerServer, InvokerServerOptions};
use oxwhisk_messaging::memory::MemoryBus;
use oxwhisk_messaging::{
    Bus, BusError, BusStatus, Channel, Heard, Listener, Message, Receipt, Subscription, Topic,
};
use tokio::sync::watch;

use crate::fixture::{FakeInvoker, INVOKER, LIMIT, MEMORY, identity, plain};

/// A bus that takes so many heartbeats badly before it takes one: every other one never answers.
#[derive(Debug, Default)]
struct Flaky {
    inner: MemoryBus,
    fails: AtomicUsize,
}

#[async_trait]
impl Bus for Flaky {
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        self.inner.produce(topic, message).await
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError> {
        self.inner.produce_now(topic, key, payload)
    }

    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        self.inner.withdraw(topic, key).await
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError> {
        self.inner.subscribe(topic).await
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        self.inner.depth(topic).await
    }

    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        let less = |left: usize| left.checked_sub(1);
        match self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(left) if left % 2 == 0 => std::future::pending().await,
            Ok(_) => Err(BusError::Unavailable("the test says so".to_owned())),
            Err(_) => self.inner.publish(channel, key, payload).await,
        }
    }

    async fn listen(&self, channel: Channel, back: Duration) -> Result<Box<dyn Listener>, BusError> {
        self.inner.listen(channel, back).await
    }

    fn status(&self) -> watch::Receiver<BusStatus> {
        self.inner.status()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn options(interval: Duration) -> HeartbeatOptions {
    let new = HeartbeatOptions::new("node3:8080".to_owned(), "node3".to_owned(), "1.2.3".to_owned());
    HeartbeatOptions { interval, ..new }
}

fn server(bus: &Arc<Flaky>) -> InvokerServer {
    InvokerServer::new(identity(), Arc::clone(bus) as Arc<dyn Bus>, plain(), InvokerServerOptions::default())
}

async fn next(listener: &mut Box<dyn Listener>) -> InvokerHeartbeat {
    let heard = tokio::time::timeout(LIMIT, listener.next()).await.expect("in time").unwrap();
    let Heard::Message { key, payload } = heard else { panic!("{heard:?}") };
    assert_eq!(key, INVOKER.to_string());
    let Ok(Heartbeat::Invoker(heartbeat)) = serde_json::from_slice(&payload) else { panic!("{payload:?}") };
    heartbeat
}

#[tokio::test]
async fn it_says_who_and_where_the_invoker_is_and_at_once_that_it_drains() {
    let bus = Arc::new(Flaky::default());
    let mut listener = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    let server = server(&bus);
    let _invoker = FakeInvoker::attached_to(&server);
    // Only the first one comes by itself.
    server.announce(options(Duration::from_secs(3600)));
    let first = next(&mut listener).await;
    let expected = InvokerHeartbeat {
        id: INVOKER,
        incarnation: first.incarnation,
        name: "node3".to_owned(),
        address: "node3:8080".to_owned(),
        version: "1.2.3".to_owned(),
        enabled: true,
        kinds: vec!["nodejs:20".to_owned()],
        memory: MEMORY,
        free: MEMORY,
    };
    assert_eq!(first, expected);
    server.drain();
    assert_eq!(next(&mut listener).await, InvokerHeartbeat { enabled: false, ..expected });
}

#[tokio::test]
async fn it_goes_on_while_the_bus_is_away() {
    let bus = Arc::new(Flaky { fails: AtomicUsize::new(4), ..Flaky::default() });
    let mut listener = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    let server = server(&bus);
    server.announce(options(Duration::from_millis(5)));
    let first = next(&mut listener).await;
    assert!(!first.enabled && first.memory == 0, "it has no invoker yet");
    let _invoker = FakeInvoker::attached_to(&server);
    while !next(&mut listener).await.enabled {}
}

#[tokio::test]
async fn it_ends_with_the_server() {
    let bus = Arc::new(Flaky::default());
    let mut listener = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    let server = server(&bus);
    server.announce(options(Duration::from_millis(1)));
    next(&mut listener).await;
    assert!(server.close(LIMIT).await, "nothing is left running");
}
