//! What a subscription says about its partition.

use super::{ids, keys_of, next, produce, take, until_depth};
use crate::{Bus, Delivery, Event, Partition, Subscription, Topic};

/// What comes until everything that was there has come: the partition and the messages.
pub(super) async fn caught_up(subscription: &mut dyn Subscription) -> (Partition, Vec<Delivery>) {
    let (mut assigned, mut taken) = (None, Vec::new());
    loop {
        match (next(subscription, 3).await.unwrap(), assigned) {
            (Event::Assigned(partition), None) => assigned = Some(partition),
            (Event::Messages(deliveries), Some(_)) => taken.extend(deliveries),
            (Event::CaughtUp(partition), Some(expected)) => {
                assert_eq!(partition, expected);
                return (partition, taken);
            }
            (Event::Withdrawn(withdrawn), Some(_)) => {
                taken.retain(|delivery: &Delivery| !withdrawn.contains(&delivery.id));
            }
            (event, assigned) => panic!("{event:?}, assigned: {assigned:?}"),
        }
    }
}

pub(super) async fn a_backlog_lies_between_two_events(bus: &dyn Bus, topic: Topic) {
    for key in ["a", "b", "c", "d"] {
        produce(bus, topic, key).await;
    }
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let (partition, backlog) = caught_up(&mut *subscription).await;
    assert_eq!(keys_of(&backlog), ["a", "b", "c", "d"]);
    assert!(backlog.iter().all(|delivery| delivery.again && delivery.id.partition == partition));
    produce(bus, topic, "e").await;
    let new = take(&mut *subscription, 1).await;
    assert_eq!((keys_of(&new), new[0].again), (vec!["e"], false));
    drop(subscription);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let (_, backlog) = caught_up(&mut *subscription).await;
    assert_eq!(keys_of(&backlog), ["a", "b", "c", "d", "e"]);
    assert!(backlog.iter().all(|delivery| delivery.again));
}

pub(super) async fn nothing_is_caught_up_with_at_once(bus: &dyn Bus, topic: Topic) {
    let mut subscription = bus.subscribe(topic).await.unwrap();
    assert_eq!(caught_up(&mut *subscription).await.1.len(), 0);
    produce(bus, topic, "a").await;
    assert!(!take(&mut *subscription, 1).await[0].again);
}

pub(super) async fn what_was_completed_is_no_backlog(bus: &dyn Bus, topic: Topic) {
    for key in ["a", "b", "c", "d"] {
        produce(bus, topic, key).await;
    }
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let taken = ids(&take(&mut *subscription, 4).await);
    let completer = subscription.completer();
    completer.complete(&[taken[1], taken[3]]).await.unwrap();
    until_depth(bus, topic, 2).await;
    drop(subscription);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let (_, backlog) = caught_up(&mut *subscription).await;
    assert_eq!(keys_of(&backlog), ["a", "c"]);
    subscription.completer().complete(&ids(&backlog)).await.unwrap();
    until_depth(bus, topic, 0).await;
    drop(subscription);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    assert_eq!(caught_up(&mut *subscription).await.1.len(), 0);
}
