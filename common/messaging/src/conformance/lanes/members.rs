//! Several members.

use std::collections::BTreeSet;

use super::reader::Reader;
use super::{ALL, DEADLINE, LaneCluster, WORK, append, reader};
use crate::conformance::until_depth;
use crate::{LaneBus, Partition, Topic};

pub(super) async fn a_route_has_two_lanes(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    for route in ["guest", "somebody", "else"] {
        let mut lanes = BTreeSet::new();
        for n in 0..20 {
            let lane = bus.choose_lane(route).await.unwrap();
            assert!(lane.0 < 16, "{lane:?}");
            append(&*bus, Topic::Activations, lane, &format!("{route}-{n}")).await;
            lanes.insert(lane);
        }
        assert!(lanes.len() <= 2, "{lanes:?}");
    }
}

async fn fill(bus: &dyn LaneBus, lanes: u32, keys: &[&str]) {
    for lane in (0..lanes).map(Partition) {
        for topic in ALL {
            for key in keys {
                append(bus, topic, lane, key).await;
            }
        }
    }
}

/// What came of a lane.
fn keys(reader: &Reader, topic: Topic, lane: Partition) -> Vec<&str> {
    let of_it = reader.came_of(topic).iter().filter(|message| message.lane == lane);
    of_it.map(|message| message.key.as_str()).collect()
}

fn done(reader: &Reader, topic: Topic, key: &str) {
    let of_key = reader.came_of(topic).iter().filter(|message| message.key == key);
    of_key.for_each(|message| reader.control.done(topic, message.lane, message.offset));
}

pub(super) async fn lanes_are_shared_with_their_work(mut cluster: impl LaneCluster) {
    let (one, two) = (cluster.member().await, cluster.member().await);
    fill(&*one, 4, &["a", "b", "c"]).await;
    let mut first = reader(&*one).await;
    first.until_caught_up(4).await;
    for topic in WORK {
        done(&first, topic, "b");
        until_depth(&*one, topic, 8).await;
    }
    let mut second = reader(&*two).await;
    let both = async {
        let lost = first.until(|reader| reader.lost.len() == 2);
        tokio::join!(lost, second.until_caught_up(2));
    };
    tokio::time::timeout(2 * DEADLINE, both).await.expect("lanes move in time");
    assert_eq!(second.owned, first.lost);
    assert_eq!(first.owned.len(), 2);
    // What was lost is no business of the first one any more: it may do what it likes.
    for topic in WORK {
        for key in ["a", "c"] {
            let lost = first.came_of(topic).iter().filter(|message| message.key == key);
            lost.filter(|message| first.lost.contains(&message.lane))
                .for_each(|message| first.control.done(topic, message.lane, message.offset));
        }
    }
    for lane in second.owned.clone() {
        for topic in WORK {
            assert_eq!(keys(&second, topic, lane), ["a", "c"], "{topic:?} of {lane:?}");
            assert!(second.came_of(topic).iter().all(|message| message.again));
        }
        assert_eq!(keys(&second, Topic::InFlight, lane), ["a", "b", "c"]);
        assert_eq!(first.control.oldest(lane), None);
        assert!(second.control.oldest(lane).is_some());
    }
    // Each goes on with its own.
    for (reader, other) in [(&first, &second), (&second, &first)] {
        for topic in WORK {
            for lane in &reader.owned {
                let own = reader.came_of(topic).iter().filter(|message| message.lane == *lane);
                own.for_each(|message| reader.control.done(topic, message.lane, message.offset));
            }
        }
        assert!(reader.owned.is_disjoint(&other.owned));
    }
    for topic in WORK {
        until_depth(&*two, topic, 0).await;
    }
    for lane in (0..4).map(Partition) {
        append(&*one, Topic::Activations, lane, "d").await;
    }
    let (before_first, before_second) =
        (first.came_of(Topic::Activations).len(), second.came_of(Topic::Activations).len());
    first.until_came(Topic::Activations, before_first + 2).await;
    second.until_came(Topic::Activations, before_second + 2).await;
}

pub(super) async fn what_a_dead_member_did_not_do_comes_to_another(mut cluster: impl LaneCluster) {
    let (one, two) = (cluster.member().await, cluster.member().await);
    fill(&*two, 4, &["a", "b", "c"]).await;
    let mut first = reader(&*one).await;
    first.until_caught_up(4).await;
    for topic in WORK {
        done(&first, topic, "b");
        until_depth(&*two, topic, 8).await;
    }
    cluster.kill(one).await;
    // What it says after its death is heard by nobody.
    for topic in WORK {
        done(&first, topic, "a");
    }
    let mut second = reader(&*two).await;
    second.until_caught_up(4).await;
    for lane in (0..4).map(Partition) {
        for topic in WORK {
            assert_eq!(keys(&second, topic, lane), ["a", "c"], "{topic:?} of {lane:?}");
        }
        assert_eq!(keys(&second, Topic::InFlight, lane), ["a", "b", "c"]);
    }
    assert!(ALL.iter().all(|topic| second.came_of(*topic).iter().all(|message| message.again)));
    let ended = async { while first.next().await.is_ok() {} };
    tokio::time::timeout(DEADLINE, ended).await.expect("a dead member's subscription ends");
}

pub(super) async fn a_barrier_of_a_lost_lane_comes(mut cluster: impl LaneCluster) {
    let (one, two) = (cluster.member().await, cluster.member().await);
    let mut first = reader(&*one).await;
    first.until_caught_up(2).await;
    let _second = reader(&*two).await;
    first.until(|reader| reader.lost.len() == 1).await;
    for lane in [Partition(0), Partition(1), Partition(9)] {
        first.until_barrier(lane).await;
    }
}
