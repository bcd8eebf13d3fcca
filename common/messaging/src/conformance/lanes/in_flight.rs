//! Notes, marks and withdrawals.

use std::time::Duration;

use super::{LANE, LaneCluster, append, mark, reader};
use crate::Topic;
use crate::conformance::until_depth;

pub(super) async fn a_barrier_comes_behind_what_was_there(mut cluster: impl LaneCluster) {
    let (bus, other) = (cluster.member().await, cluster.member().await);
    let mut reader = reader(&*bus).await;
    let mut expected = Vec::new();
    for round in 0..5 {
        // A barrier on nothing new comes as well.
        for n in 0..round {
            let key = format!("{round}-{n}");
            append(&*other, Topic::InFlight, LANE, &key).await;
            expected.push(key);
        }
        reader.until(|reader| reader.owned.contains(&LANE)).await;
        reader.until_barrier(LANE).await;
        assert_eq!(reader.keys(Topic::InFlight), expected);
    }
    let barriers = [reader.control.barrier(LANE), reader.control.barrier(LANE)];
    reader.until(|reader| barriers.iter().all(|barrier| reader.barriers.contains(barrier))).await;
}

pub(super) async fn withdrawals_come_in_their_order(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    let mut reader = reader(&*bus).await;
    append(&*bus, Topic::InFlight, LANE, "a").await;
    mark(&*bus, LANE, "b").await;
    bus.withdraw_from(LANE, "a").await.unwrap();
    append(&*bus, Topic::InFlight, LANE, "a").await;
    bus.withdraw_from(LANE, "nobody").await.unwrap();
    reader.until_came(Topic::InFlight, 5).await;
    assert_eq!(reader.entries(), ["a", "b", "-a", "a", "-nobody"]);
}

/// From the oldest note that is not withdrawn on, everything; whatever came before that may come, too.
pub(super) async fn the_next_owner_sees_notes_and_marks(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    {
        let mut reader = reader(&*bus).await;
        append(&*bus, Topic::InFlight, LANE, "withdrawn").await;
        append(&*bus, Topic::InFlight, LANE, "first").await;
        mark(&*bus, LANE, "mark").await;
        append(&*bus, Topic::InFlight, LANE, "second").await;
        bus.withdraw_from(LANE, "withdrawn").await.unwrap();
        bus.withdraw_from(LANE, "second").await.unwrap();
        bus.withdraw_from(LANE, "mark").await.unwrap();
        reader.until_came(Topic::InFlight, 7).await;
        // It is written that the first one is over.
        until_depth_at_most(&*bus, 6).await;
    }
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    let expected = ["first", "mark", "second", "-withdrawn", "-second", "-mark"].map(str::to_owned);
    assert!(reader.entries().ends_with(&expected), "{:?}", reader.entries());
    assert!(reader.came_of(Topic::InFlight).iter().all(|entry| entry.again));
    bus.withdraw_from(LANE, "first").await.unwrap();
    reader.until_barrier(LANE).await;
    assert_eq!(reader.entries().last().map(String::as_str), Some("-first"));
    until_depth(&*bus, Topic::InFlight, 0).await;
}

async fn until_depth_at_most(bus: &dyn crate::LaneBus, depth: u64) {
    let wait = async {
        while bus.depth(Topic::InFlight).await.unwrap() > depth {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(super::DEADLINE, wait).await.is_ok(), "inflight keeps more than {depth}");
}

pub(super) async fn marks_go_back_to_the_oldest_message(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    for (message, topic) in [("slow", Topic::Parked), ("slow", Topic::Activations)] {
        {
            let mut reader = reader(&*bus).await;
            append(&*bus, topic, LANE, message).await;
            reader.until_came(topic, 1).await;
            mark(&*bus, LANE, "marked").await;
            reader.until_came(Topic::InFlight, 1).await;
            // Nothing is owed there, so nothing but the message's time brings the mark back.
            until_depth(&*bus, Topic::InFlight, 0).await;
        }
        let mut reader = reader(&*bus).await;
        reader.until_caught_up(1).await;
        assert_eq!(reader.keys(topic), [message]);
        assert_eq!(reader.keys(Topic::InFlight).last(), Some(&"marked"));
        reader.done(topic, message);
        until_depth(&*bus, topic, 0).await;
    }
}

pub(super) async fn marks_hold_nothing_back(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    let mut reader = reader(&*bus).await;
    for key in ["a", "b"] {
        mark(&*bus, LANE, key).await;
        append(&*bus, Topic::InFlight, LANE, key).await;
        bus.withdraw_from(LANE, key).await.unwrap();
        mark(&*bus, LANE, key).await;
    }
    reader.until_came(Topic::InFlight, 8).await;
    until_depth(&*bus, Topic::InFlight, 0).await;
}
