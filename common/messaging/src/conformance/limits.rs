//! Bounds and ends.

use super::course::caught_up;
use super::{Bounds, ids, keys, produce, take, until_depth};
use crate::{Bus, BusError, Durability, Message, Topic};

fn large(bytes: usize) -> Message {
    Message::new("k", vec![b'x'; bytes])
}

pub(super) async fn a_message_too_large_is_refused(bus: &dyn Bus, topic: Topic, bounds: Bounds) {
    let outcome = bus.produce(topic, large(bounds.max_message)).await;
    let size = bounds.max_message + 1;
    assert!(
        matches!(outcome, Err(BusError::TooLarge { size: said, limit }) if said == size && limit == bounds.max_message),
        "{outcome:?}"
    );
    bus.produce(topic, large(bounds.max_message - 1)).await.unwrap();
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let (_, taken) = caught_up(&mut *subscription).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].payload, vec![b'x'; bounds.max_message - 1]);
}

pub(super) async fn a_full_topic_takes_no_more_until_some_are_completed(
    bus: &dyn Bus,
    topic: Topic,
    bounds: Bounds,
) {
    let Some(too_many) = bounds.too_many else { return };
    let large = || bus.produce(topic, large(bounds.max_message - 1));
    let mut held = 0;
    let refusal = loop {
        match large().await {
            Ok(()) => held += 1,
            Err(error) => break error,
        }
        assert!(held < too_many, "the bus takes more than it may");
    };
    assert!(matches!(refusal, BusError::Full { topic: name } if name == topic.name()), "{refusal}");
    assert_eq!(bus.depth(topic).await.unwrap(), held as u64);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let taken = ids(&take(&mut *subscription, held).await);
    subscription.completer().complete(&taken).await.unwrap();
    until_depth(bus, topic, 0).await;
    large().await.unwrap();
    assert_eq!(take(&mut *subscription, 1).await[0].payload.len(), bounds.max_message - 1);
}

pub(super) async fn a_topic_has_one_subscription(bus: &dyn Bus, topic: Topic) {
    let subscription = bus.subscribe(topic).await.unwrap();
    assert!(matches!(bus.subscribe(topic).await, Err(BusError::Unavailable(_))));
    drop(subscription);
    bus.subscribe(topic).await.unwrap();
}

pub(super) async fn only_topics_without_waiting_take_messages_at_once(bus: &dyn Bus, topic: Topic) {
    let outcome = bus.produce_now(topic, "a", b"payload of a".to_vec());
    if topic.durability() == Durability::PowerCut {
        assert!(matches!(outcome, Err(BusError::Unavailable(_))), "{outcome:?}");
        assert_eq!(bus.depth(topic).await.unwrap(), 0);
        return;
    }
    outcome.unwrap().wait().await.unwrap();
    let mut subscription = bus.subscribe(topic).await.unwrap();
    assert_eq!(keys(&mut *subscription, 1).await, ["a"]);
}

pub(super) async fn a_closed_bus_says_so(bus: &dyn Bus, topic: Topic) {
    produce(bus, topic, "a").await;
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let (_, taken) = caught_up(&mut *subscription).await;
    subscription.completer().complete(&ids(&taken)).await.unwrap();
    let (ended, ()) = tokio::join!(subscription.next(1), bus.close());
    assert!(matches!(ended, Err(BusError::Closed)), "{ended:?}");
    assert!(matches!(bus.produce(topic, Message::new("b", "")).await, Err(BusError::Closed)));
    drop(subscription);
    assert!(matches!(bus.subscribe(topic).await, Err(BusError::Closed)));
    assert_eq!(bus.depth(topic).await.unwrap(), 0);
}
