//! Handing out and completing.

use std::task::Poll;

use super::course::caught_up;
use super::{keys, produce, take, until_depth};
use crate::{Bus, Durability, Message, Topic};

pub(super) async fn messages_come_in_order_and_once(bus: &dyn Bus, topic: Topic) {
    assert_eq!(bus.depth(topic).await.unwrap(), 0);
    for key in ["a", "b", "c"] {
        produce(bus, topic, key).await;
    }
    assert_eq!(bus.depth(topic).await.unwrap(), 3);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let first = take(&mut *subscription, 2).await;
    subscription.completer().complete(&[first[0].id, first[1].id]).await.unwrap();
    produce(bus, topic, "d").await;
    assert_eq!(keys(&mut *subscription, 2).await, ["c", "d"]);
    until_depth(bus, topic, 2).await;
}

pub(super) async fn a_waiting_subscription_is_woken(bus: &dyn Bus, topic: Topic) {
    let mut subscription = bus.subscribe(topic).await.unwrap();
    for key in ["a", "b"] {
        let (taken, ()) = tokio::join!(keys(&mut *subscription, 1), produce(bus, topic, key));
        assert_eq!(taken, [key]);
    }
}

pub(super) async fn what_was_not_completed_comes_again_first(bus: &dyn Bus, topic: Topic) {
    for key in ["a", "b", "c", "d"] {
        produce(bus, topic, key).await;
    }
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let taken = take(&mut *subscription, 3).await;
    subscription.completer().complete(&[taken[1].id]).await.unwrap();
    drop(subscription);
    produce(bus, topic, "e").await;
    let mut subscription = bus.subscribe(topic).await.unwrap();
    produce(bus, topic, "f").await;
    assert_eq!(keys(&mut *subscription, 5).await, ["a", "c", "d", "e", "f"]);
    produce(bus, topic, "g").await;
    assert_eq!(keys(&mut *subscription, 1).await, ["g"]);
}

pub(super) async fn messages_are_completed_in_any_order(bus: &dyn Bus, topic: Topic) {
    for key in ["a", "b", "c"] {
        produce(bus, topic, key).await;
    }
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let taken = take(&mut *subscription, 3).await;
    let completer = subscription.completer();
    completer.complete(&[taken[2].id, taken[0].id]).await.unwrap();
    until_depth(bus, topic, 1).await;
    completer.complete(&[taken[2].id, taken[1].id]).await.unwrap();
    until_depth(bus, topic, 0).await;
    completer.complete(&[]).await.unwrap();
    produce(bus, topic, "d").await;
    assert_eq!(keys(&mut *subscription, 1).await, ["d"]);
    until_depth(bus, topic, 1).await;
}

pub(super) async fn a_cancelled_wait_loses_nothing(bus: &dyn Bus, topic: Topic) {
    let mut subscription = bus.subscribe(topic).await.unwrap();
    caught_up(&mut *subscription).await;
    {
        let mut wait = subscription.next(10);
        let polled =
            std::future::poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_ready())).await;
        assert!(!polled, "there was nothing to hand out");
        produce(bus, topic, "a").await;
    }
    assert_eq!(keys(&mut *subscription, 1).await, ["a"]);
}

pub(super) async fn concurrent_producers_lose_nothing(bus: &dyn Bus, topic: Topic) {
    const EACH: usize = 50;
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let producer = async |name: &str| {
        for n in 0..EACH {
            produce(bus, topic, &format!("{name}-{n:03}")).await;
        }
    };
    let consumer = keys(&mut *subscription, 3 * EACH);
    let (taken, (), (), ()) = tokio::join!(consumer, producer("a"), producer("b"), producer("c"));
    for name in ["a", "b", "c"] {
        let own: Vec<&String> = taken.iter().filter(|key| key.starts_with(name)).collect();
        assert_eq!(own.len(), EACH);
        assert!(own.is_sorted(), "{own:?}");
    }
}

pub(super) async fn topics_are_apart(bus: &dyn Bus, topics: &[Topic]) {
    let mut subscriptions = Vec::new();
    for &topic in topics {
        produce(bus, topic, topic.name()).await;
        subscriptions.push(bus.subscribe(topic).await.unwrap());
    }
    for (&topic, subscription) in topics.iter().zip(&mut subscriptions) {
        assert_eq!(keys(&mut **subscription, 1).await, [topic.name()]);
        assert_eq!(bus.depth(topic).await.unwrap(), 1);
    }
}

pub(super) async fn attempts_travel_with_their_messages(bus: &dyn Bus, topic: Topic) {
    for attempt in [1, 7] {
        let message = Message::new("a", "x").with_route("somebody").with_attempt(attempt);
        bus.produce(topic, message).await.unwrap();
    }
    for _ in 0..2 {
        let mut subscription = bus.subscribe(topic).await.unwrap();
        let attempts: Vec<u32> =
            take(&mut *subscription, 2).await.iter().map(|delivery| delivery.attempt).collect();
        match topic.durability() {
            Durability::PowerCut => assert_eq!(attempts, [1, 7]),
            // Records are not attempted, so a bus need not keep that.
            Durability::ProcessDeath => assert_eq!(attempts[0], 1),
        }
    }
}
