//! What every bus with lanes must do.

mod delivery;
mod ends;
mod in_flight;
mod members;
mod reader;

use std::sync::Arc;

use async_trait::async_trait;

use super::DEADLINE;
use crate::{LaneBus, Message, Partition, Topic};
use reader::Reader;

/// Members that share lanes, and nothing with other clusters.
#[async_trait]
pub trait LaneCluster: Send {
    /// Another member, with a name that none had before.
    async fn member(&mut self) -> Arc<dyn LaneBus>;

    /// A member dies without another word.
    async fn kill(&mut self, member: Arc<dyn LaneBus>);
}

/// What the clusters under test are made with.
#[derive(Clone, Copy, Debug)]
pub struct LaneBounds {
    /// Bytes of the largest message.
    pub max_message: usize,
}

const LANE: Partition = Partition(0);
const ALL: [Topic; 3] = [Topic::Activations, Topic::Parked, Topic::InFlight];
const WORK: [Topic; 2] = [Topic::Activations, Topic::Parked];

/// The checks of one lane and one member at a time. `make` makes a cluster with that many lanes.
///
/// # Panics
/// When a check fails.
pub async fn lane<C: LaneCluster>(bounds: LaneBounds, mut make: impl AsyncFnMut(u32) -> C) {
    delivery::messages_come_in_order_with_their_offsets(make(1).await).await;
    delivery::a_backlog_ends_with_caught_up(make(1).await).await;
    delivery::what_is_done_out_of_order_does_not_come_again(make(1).await).await;
    delivery::a_cancelled_wait_loses_nothing(make(1).await).await;
    delivery::what_is_not_wanted_waits(make(1).await).await;
    delivery::large_messages_come_whole(make(1).await, bounds).await;
    delivery::the_oldest_message_is_told(make(1).await).await;
    in_flight::a_barrier_comes_behind_what_was_there(make(1).await).await;
    in_flight::withdrawals_come_in_their_order(make(1).await).await;
    in_flight::the_next_owner_sees_notes_and_marks(make(1).await).await;
    in_flight::marks_go_back_to_the_oldest_message(make(1).await).await;
    in_flight::marks_hold_nothing_back(make(1).await).await;
}

/// The checks of several members, and of ends.
///
/// # Panics
/// When a check fails.
pub async fn members<C: LaneCluster>(bounds: LaneBounds, mut make: impl AsyncFnMut(u32) -> C) {
    ends::lanes_have_one_subscription(make(1).await).await;
    ends::a_closed_bus_says_so(make(1).await).await;
    ends::what_cannot_be_appended_is_refused(make(2).await, bounds).await;
    members::a_route_has_two_lanes(make(16).await).await;
    members::lanes_are_shared_with_their_work(make(4).await).await;
    members::what_a_dead_member_did_not_do_comes_to_another(make(4).await).await;
    members::a_barrier_of_a_lost_lane_comes(make(2).await).await;
}

async fn append(bus: &dyn LaneBus, topic: Topic, lane: Partition, key: &str) -> u64 {
    bus.append(topic, lane, Message::new(key, format!("payload of {key}"))).await.unwrap()
}

async fn mark(bus: &dyn LaneBus, lane: Partition, key: &str) -> u64 {
    let message = Message::new(key, format!("payload of {key}")).transient();
    bus.append(Topic::InFlight, lane, message).await.unwrap()
}

async fn reader(bus: &dyn LaneBus) -> Reader {
    Reader::new(bus.subscribe_lanes().await.unwrap())
}
