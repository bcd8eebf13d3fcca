//! Bounds and ends.

use bytes::Bytes;

use super::{Bounds, keys, produce, take, until_depth};
use crate::{Bus, BusError, Durability, Topic};

pub(super) async fn a_message_too_large_is_refused(bus: &dyn Bus, topic: Topic, bounds: Bounds) {
    let outcome = bus.produce(topic, "k", Bytes::from(vec![b'x'; bounds.max_message])).await;
    let size = bounds.max_message + 1;
    assert!(
        matches!(outcome, Err(BusError::TooLarge { size: said, limit }) if said == size && limit == bounds.max_message),
        "{outcome:?}"
    );
    bus.produce(topic, "k", Bytes::from(vec![b'x'; bounds.max_message - 1])).await.unwrap();
    assert_eq!(bus.depth(topic).await.unwrap(), 1);
}

pub(super) async fn a_full_topic_takes_no_more_until_some_are_completed(
    bus: &dyn Bus,
    topic: Topic,
    bounds: Bounds,
) {
    let large = || bus.produce(topic, "k", Bytes::from(vec![b'x'; bounds.max_message - 1]));
    let mut held = 0;
    let refusal = loop {
        match large().await {
            Ok(()) => held += 1,
            Err(error) => break error,
        }
        assert!(held < bounds.too_many, "the bus takes more than it may");
    };
    assert!(matches!(refusal, BusError::Full { topic: name } if name == topic.name()), "{refusal}");
    assert_eq!(bus.depth(topic).await.unwrap(), held as u64);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let taken: Vec<_> =
        take(&mut *subscription, held).await.into_iter().map(|delivery| delivery.id).collect();
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
    outcome.unwrap();
    let mut subscription = bus.subscribe(topic).await.unwrap();
    assert_eq!(keys(&mut *subscription, 1).await, ["a"]);
}

pub(super) async fn a_closed_bus_says_so(bus: &dyn Bus, topic: Topic) {
    produce(bus, topic, "a").await;
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let taken = take(&mut *subscription, 1).await;
    subscription.completer().complete(&[taken[0].id]).await.unwrap();
    let (ended, ()) = tokio::join!(subscription.next(1), bus.close());
    assert!(matches!(ended, Err(BusError::Closed)), "{ended:?}");
    assert!(matches!(bus.produce(topic, "b", Bytes::new()).await, Err(BusError::Closed)));
    drop(subscription);
    assert!(matches!(bus.subscribe(topic).await, Err(BusError::Closed)));
    assert_eq!(bus.depth(topic).await.unwrap(), 0);
}
