//! Messages larger than a record.

use oxwhisk_messaging::{Bus, BusError, Channel, Message, Topic};

use crate::fixture::{bus, config, take, variable};

fn payload(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + seed) as u8).collect()
}

#[tokio::test]
async fn large_messages_of_many_producers_come_whole() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "large_messages_of_many_producers_come_whole") else {
        return;
    };
    let config = config(&hosts);
    let (one, two) = (bus(&config).await, bus(&config).await);
    // Below one chunk, one exactly, a bit more, and many.
    let lengths = [1, 512 << 10, (512 << 10) + 1, 5 << 20, 0, 3 << 20];
    let produce = async |bus: &dyn Bus, name: &str| {
        for (n, length) in lengths.into_iter().enumerate() {
            let message = Message::new(format!("{name}-{n}"), payload(n, length)).with_attempt(3);
            bus.produce(Topic::DeadLetters, message).await.unwrap();
        }
    };
    tokio::join!(produce(&one, "one"), produce(&two, "two"));
    let mut subscription = one.subscribe(Topic::DeadLetters).await.unwrap();
    let taken = take(&mut *subscription, 2 * lengths.len()).await;
    for delivery in &taken {
        let n: usize = delivery.key.split_once('-').unwrap().1.parse().unwrap();
        assert!(delivery.payload == payload(n, lengths[n]), "{} came damaged", delivery.key);
        assert_eq!((delivery.attempt, delivery.again), (3, true));
    }
    // Of those that are done, no chunk comes again; the others come whole once more.
    let done: Vec<_> =
        taken.iter().filter(|delivery| delivery.key.starts_with("two")).map(|delivery| delivery.id).collect();
    subscription.completer().complete(&done).await.unwrap();
    drop(subscription);
    let mut subscription = one.subscribe(Topic::DeadLetters).await.unwrap();
    for delivery in take(&mut *subscription, lengths.len()).await {
        let n: usize = delivery.key.strip_prefix("one-").expect("one that is not done").parse().unwrap();
        assert!(delivery.payload == payload(n, lengths[n]), "{} came damaged", delivery.key);
    }
}

#[tokio::test]
async fn a_message_on_a_channel_is_one_record_or_refused() {
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", "a_message_on_a_channel_is_one_record_or_refused")
    else {
        return;
    };
    let bus = bus(&config(&hosts)).await;
    let refused = bus.publish(Channel::Events, "k", payload(0, (512 << 10) + 1).into()).await;
    assert!(matches!(refused, Err(BusError::TooLarge { limit, .. }) if limit == 512 << 10), "{refused:?}");
    bus.publish(Channel::Events, "k", payload(0, (512 << 10) - 1).into()).await.unwrap();
}
