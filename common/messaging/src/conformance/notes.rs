//! Withdrawing notes.

use super::course::caught_up;
use super::{keys_of, next, produce, take, until_depth};
use crate::{Bus, BusError, DeliveryId, Event, Subscription, Topic};

async fn withdrawn(subscription: &mut dyn Subscription, count: usize) -> Vec<DeliveryId> {
    let mut told = Vec::new();
    while told.len() < count {
        match next(subscription, 10).await.unwrap() {
            Event::Withdrawn(ids) => told.extend(ids),
            Event::CaughtUp(_) => {}
            event => panic!("{event:?}"),
        }
    }
    told
}

pub(super) async fn a_note_withdrawn_before_it_is_handed_out_is_gone(bus: &dyn Bus, topic: Topic) {
    for key in ["a", "b", "c"] {
        produce(bus, topic, key).await;
    }
    bus.withdraw(topic, "b").await.unwrap();
    bus.withdraw(topic, "nobody").await.unwrap();
    let mut subscription = bus.subscribe(topic).await.unwrap();
    let (_, mut held) = caught_up(&mut *subscription).await;
    while keys_of(&held) != ["a", "c"] {
        // A withdrawal may be written behind, so that it comes after the note.
        assert_eq!(keys_of(&held), ["a", "b", "c"]);
        let gone = withdrawn(&mut *subscription, 1).await;
        held.retain(|delivery| !gone.contains(&delivery.id));
    }
    until_depth(bus, topic, 2).await;
    drop(subscription);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    assert_eq!(keys_of(&caught_up(&mut *subscription).await.1), ["a", "c"]);
}

pub(super) async fn a_holder_is_told_of_a_withdrawal(bus: &dyn Bus, topic: Topic) {
    let mut subscription = bus.subscribe(topic).await.unwrap();
    for key in ["a", "b", "c"] {
        produce(bus, topic, key).await;
    }
    let taken = take(&mut *subscription, 3).await;
    bus.withdraw(topic, "b").await.unwrap();
    assert_eq!(withdrawn(&mut *subscription, 1).await, [taken[1].id]);
    until_depth(bus, topic, 2).await;
    // Completing it as well is no mistake: the two may cross.
    subscription.completer().complete(&[taken[1].id, taken[0].id]).await.unwrap();
    until_depth(bus, topic, 1).await;
    drop(subscription);
    let mut subscription = bus.subscribe(topic).await.unwrap();
    assert_eq!(keys_of(&caught_up(&mut *subscription).await.1), ["c"]);
}

pub(super) async fn all_notes_with_a_key_are_withdrawn(bus: &dyn Bus, topic: Topic) {
    let mut subscription = bus.subscribe(topic).await.unwrap();
    for key in ["a", "b", "a"] {
        produce(bus, topic, key).await;
    }
    let taken = take(&mut *subscription, 3).await;
    bus.withdraw(topic, "a").await.unwrap();
    assert_eq!(withdrawn(&mut *subscription, 2).await, [taken[0].id, taken[2].id]);
    until_depth(bus, topic, 1).await;
    produce(bus, topic, "a").await;
    assert_eq!(keys_of(&take(&mut *subscription, 1).await), ["a"], "a later note is another one");
}

pub(super) async fn other_messages_are_not_withdrawn(bus: &dyn Bus, topic: Topic) {
    produce(bus, topic, "a").await;
    let refused = bus.withdraw(topic, "a").await;
    assert!(matches!(refused, Err(BusError::Unavailable(_))), "{refused:?}");
    assert_eq!(bus.depth(topic).await.unwrap(), 1);
}
