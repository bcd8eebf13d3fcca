//! What every bus must do, as a suite of checks that panic where it does not.

mod channels;
mod course;
mod delivery;
mod lanes;
mod limits;
mod notes;

use std::time::Duration;

use crate::{Bus, BusError, Delivery, DeliveryId, Event, Message, Subscription, Topic};
pub use lanes::{LaneBounds, LaneCluster, lane, members};

/// The bounds that the bus under test is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the largest message.
    pub max_message: usize,
    /// A number of messages of `max_message` bytes that no topic takes; `None` where topics hold what the disks hold.
    pub too_many: Option<usize>,
}

/// How long a check waits for what must come.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs all checks, on a new bus for each topic and check. Where topics have partitions, the bus must be made with one
/// each, so that there is one order.
///
/// # Panics
/// When a check fails.
pub async fn bus<B: Bus>(bounds: Bounds, mut make: impl AsyncFnMut() -> B) {
    for topic in Topic::ALL {
        queue(topic, bounds, &mut make).await;
    }
    whole(&Topic::ALL, make).await;
}

/// The checks of [`bus`] that are about one queue.
///
/// # Panics
/// When a check fails.
pub async fn queue<B: Bus>(topic: Topic, bounds: Bounds, mut make: impl AsyncFnMut() -> B) {
    delivery::messages_come_in_order_and_once(&make().await, topic).await;
    delivery::a_waiting_subscription_is_woken(&make().await, topic).await;
    delivery::what_was_not_completed_comes_again_first(&make().await, topic).await;
    delivery::messages_are_completed_in_any_order(&make().await, topic).await;
    delivery::a_cancelled_wait_loses_nothing(&make().await, topic).await;
    delivery::concurrent_producers_lose_nothing(&make().await, topic).await;
    delivery::attempts_travel_with_their_messages(&make().await, topic).await;
    course::a_backlog_lies_between_two_events(&make().await, topic).await;
    course::nothing_is_caught_up_with_at_once(&make().await, topic).await;
    course::what_was_completed_is_no_backlog(&make().await, topic).await;
    limits::a_message_too_large_is_refused(&make().await, topic, bounds).await;
    limits::a_full_topic_takes_no_more_until_some_are_completed(&make().await, topic, bounds).await;
    limits::a_topic_has_one_subscription(&make().await, topic).await;
    limits::only_topics_without_waiting_take_messages_at_once(&make().await, topic).await;
    limits::a_closed_bus_says_so(&make().await, topic).await;
    if topic.holds_notes() {
        notes::a_note_withdrawn_before_it_is_handed_out_is_gone(&make().await, topic).await;
        notes::a_holder_is_told_of_a_withdrawal(&make().await, topic).await;
        notes::all_notes_with_a_key_are_withdrawn(&make().await, topic).await;
    } else {
        notes::other_messages_are_not_withdrawn(&make().await, topic).await;
    }
}

/// The checks of [`bus`] that are about all queues, or about channels. `topics` are those that can be consumed alone.
///
/// # Panics
/// When a check fails.
pub async fn whole<B: Bus>(topics: &[Topic], mut make: impl AsyncFnMut() -> B) {
    delivery::topics_are_apart(&make().await, topics).await;
    channels::everybody_hears_what_is_published_while_listening(&make().await).await;
    channels::channels_are_apart(&make().await).await;
    channels::a_closed_bus_says_so(&make().await).await;
}

async fn produce(bus: &dyn Bus, topic: Topic, key: &str) {
    bus.produce(topic, Message::new(key, format!("payload of {key}"))).await.unwrap();
}

async fn next(subscription: &mut dyn Subscription, max: usize) -> Result<Event, BusError> {
    tokio::time::timeout(DEADLINE, subscription.next(max)).await.expect("an event in time")
}

/// The next `count` messages, however they are grouped, and whatever is said between them.
async fn take(subscription: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match next(subscription, count - taken.len()).await.unwrap() {
            Event::Messages(deliveries) => {
                assert!(!deliveries.is_empty(), "nothing was handed out");
                taken.extend(deliveries);
            }
            Event::Assigned(_) | Event::CaughtUp(_) | Event::Withdrawn(_) => {}
            event @ Event::Revoked(_) => panic!("{event:?}"),
        }
    }
    taken
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

fn keys_of(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.key.as_str()).collect()
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
