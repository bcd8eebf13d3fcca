//! What every bus must do, as a suite of checks that panic where it does not.

mod delivery;
mod limits;

use std::time::Duration;

use bytes::Bytes;

use crate::{Bus, Delivery, Subscription, Topic};

/// The bounds that the bus under test is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the largest message.
    pub max_message: usize,
    /// A number of messages of `max_message` bytes that no topic takes.
    pub too_many: usize,
}

/// How long a check waits for what must come.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs all checks, on a new bus for each topic and check.
///
/// # Panics
/// When a check fails.
pub async fn bus<B: Bus>(bounds: Bounds, mut make: impl FnMut() -> B) {
    for topic in Topic::ALL {
        delivery::messages_come_in_order_and_once(&make(), topic).await;
        delivery::a_waiting_subscription_is_woken(&make(), topic).await;
        delivery::what_was_not_completed_comes_again_first(&make(), topic).await;
        delivery::messages_are_completed_in_any_order(&make(), topic).await;
        delivery::messages_are_completed_by_key(&make(), topic).await;
        delivery::a_cancelled_wait_loses_nothing(&make(), topic).await;
        delivery::concurrent_producers_lose_nothing(&make(), topic).await;
        limits::a_message_too_large_is_refused(&make(), topic, bounds).await;
        limits::a_full_topic_takes_no_more_until_some_are_completed(&make(), topic, bounds).await;
        limits::a_topic_has_one_subscription(&make(), topic).await;
        limits::only_topics_without_waiting_take_messages_at_once(&make(), topic).await;
        limits::a_closed_bus_says_so(&make(), topic).await;
    }
    delivery::topics_are_apart(&make()).await;
}

async fn produce(bus: &dyn Bus, topic: Topic, key: &str) {
    bus.produce(topic, key, Bytes::from(format!("payload of {key}"))).await.unwrap();
}

/// The next `count` messages, however they are grouped.
async fn take(subscription: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(DEADLINE, subscription.next(count - taken.len()));
        let deliveries = next.await.expect("a message in time").unwrap();
        assert!(!deliveries.is_empty(), "nothing was handed out");
        taken.extend(deliveries);
    }
    taken
}

async fn keys(subscription: &mut dyn Subscription, count: usize) -> Vec<String> {
    let deliveries = take(subscription, count).await;
    for delivery in &deliveries {
        assert_eq!(delivery.payload, format!("payload of {}", delivery.key));
    }
    deliveries.into_iter().map(|delivery| delivery.key).collect()
}

/// Completions may be written behind.
async fn until_depth(bus: &dyn Bus, topic: Topic, depth: u64) {
    let wait = async {
        while bus.depth(topic).await.unwrap() != depth {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, wait).await;
    assert!(waited.is_ok(), "{topic:?} holds {:?} messages, not {depth}", bus.depth(topic).await);
}
