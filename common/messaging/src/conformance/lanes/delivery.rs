//! Handing out and finishing.

use std::task::Poll;
use std::time::Duration;

use super::reader::{EVERYTHING, Reader};
use super::{ALL, DEADLINE, LANE, LaneBounds, LaneCluster, WORK, append, reader};
use crate::conformance::until_depth;
use crate::{Message, Partition, Topic, Wanted};

pub(super) async fn messages_come_in_order_with_their_offsets(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    let mut reader = reader(&*bus).await;
    let mut offsets = Vec::new();
    for n in 0..10 {
        for topic in ALL {
            let key = format!("{}-{n}", topic.name());
            offsets.push((topic, append(&*bus, topic, LANE, &key).await, key));
        }
    }
    for topic in ALL {
        reader.until_came(topic, 10).await;
        let keys: Vec<String> = (0..10).map(|n| format!("{}-{n}", topic.name())).collect();
        assert_eq!(reader.keys(topic), keys);
        assert!(reader.came_of(topic).iter().all(|message| message.lane == LANE && message.attempt == 1));
    }
    for (topic, offset, key) in offsets {
        assert_eq!(reader.offset(topic, &key), offset);
    }
    let again = Message::new("again", "payload of again").with_route("elsewhere").with_attempt(7);
    bus.append(Topic::Parked, LANE, again).await.unwrap();
    reader.until_came(Topic::Parked, 11).await;
    assert_eq!(reader.came_of(Topic::Parked)[10].attempt, 7);
}

pub(super) async fn a_backlog_ends_with_caught_up(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    for topic in ALL {
        for key in ["a", "b", "c", "d"] {
            append(&*bus, topic, LANE, key).await;
        }
    }
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    for topic in ALL {
        assert_eq!(reader.keys(topic), ["a", "b", "c", "d"], "{topic:?}");
        assert!(reader.came_of(topic).iter().all(|message| message.again), "{topic:?}");
        append(&*bus, topic, LANE, "e").await;
        reader.until_came(topic, 5).await;
        let new = &reader.came_of(topic)[4];
        assert_eq!((new.key.as_str(), new.again), ("e", false));
    }
}

pub(super) async fn what_is_done_out_of_order_does_not_come_again(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    for topic in WORK {
        for key in ["a", "b", "c", "d", "e"] {
            append(&*bus, topic, LANE, key).await;
        }
    }
    {
        let mut reader = reader(&*bus).await;
        reader.until_caught_up(1).await;
        for topic in WORK {
            reader.done(topic, "d");
            reader.done(topic, "b");
            until_depth(&*bus, topic, 3).await;
        }
    }
    {
        let mut reader = reader(&*bus).await;
        reader.until_caught_up(1).await;
        for topic in WORK {
            assert_eq!(reader.keys(topic), ["a", "c", "e"], "{topic:?}");
            ["e", "a", "c"].into_iter().for_each(|key| reader.done(topic, key));
            until_depth(&*bus, topic, 0).await;
        }
    }
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    for topic in WORK {
        assert_eq!(reader.keys(topic), Vec::<&str>::new(), "{topic:?}");
    }
}

pub(super) async fn a_cancelled_wait_loses_nothing(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    for topic in ALL {
        let mut wait = reader.subscription().next(EVERYTHING, 3);
        let mut poll = std::future::poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_ready()));
        assert!(!(&mut poll).await, "there was nothing to hand out");
        append(&*bus, topic, LANE, "a").await;
        drop(wait);
        reader.until_came(topic, 1).await;
        assert_eq!(reader.keys(topic), ["a"]);
    }
}

pub(super) async fn what_is_not_wanted_waits(mut cluster: impl LaneCluster) {
    const MANY: usize = 40;
    let bus = cluster.member().await;
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    reader.wanted = Wanted::default();
    for topic in WORK {
        for n in 0..MANY {
            append(&*bus, topic, LANE, &format!("{n}")).await;
        }
    }
    for n in 0..MANY {
        append(&*bus, Topic::InFlight, LANE, &format!("{n}")).await;
    }
    // Notes come, however much else waits.
    reader.until_came(Topic::InFlight, MANY).await;
    reader.until_barrier(LANE).await;
    assert!(WORK.iter().all(|topic| reader.came_of(*topic).is_empty()));
    reader.wanted = Wanted { activations: false, parked: true };
    reader.until_came(Topic::Parked, MANY).await;
    reader.until_barrier(LANE).await;
    assert!(reader.came_of(Topic::Activations).is_empty());
    reader.wanted = EVERYTHING;
    reader.until_came(Topic::Activations, MANY).await;
    let expected: Vec<String> = (0..MANY).map(|n| n.to_string()).collect();
    for topic in ALL {
        assert_eq!(reader.keys(topic), expected);
    }
}

pub(super) async fn large_messages_come_whole(mut cluster: impl LaneCluster, bounds: LaneBounds) {
    let bus = cluster.member().await;
    let payload: Vec<u8> = (0..bounds.max_message - "large".len()).map(|n| (n % 251) as u8).collect();
    for topic in ALL {
        append(&*bus, topic, LANE, "small").await;
        for _ in 0..2 {
            bus.append(topic, LANE, Message::new("large", payload.clone())).await.unwrap();
        }
    }
    {
        let mut reader = reader(&*bus).await;
        reader.until_caught_up(1).await;
        for topic in ALL {
            assert_eq!(reader.keys(topic), ["small", "large", "large"], "{topic:?}");
            for message in &reader.came_of(topic)[1..] {
                assert!(message.payload.as_deref() == Some(&payload), "{topic:?}: it came damaged");
            }
        }
        for topic in WORK {
            reader.done(topic, "small");
            // The first one of the two.
            reader.done(topic, "large");
        }
        bus.withdraw_from(LANE, "small").await.unwrap();
        reader.until_barrier(LANE).await;
        assert_eq!(reader.entries().last().map(String::as_str), Some("-small"));
    }
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    for topic in WORK {
        assert_eq!(reader.keys(topic), ["large"], "{topic:?}");
        assert!(reader.came_of(topic)[0].payload.as_deref() == Some(&payload), "it came damaged");
        reader.done(topic, "large");
        until_depth(&*bus, topic, 0).await;
    }
    assert!(reader.entries().ends_with(&["large".to_owned(), "large".to_owned(), "-small".to_owned()]));
}

async fn until_nothing_is_old(reader: &Reader) {
    let wait = async {
        while reader.control.oldest(LANE).is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "{:?}", reader.control.oldest(LANE));
}

pub(super) async fn the_oldest_message_is_told(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    let mut reader = reader(&*bus).await;
    reader.until_caught_up(1).await;
    until_nothing_is_old(&reader).await;
    append(&*bus, Topic::Parked, LANE, "a").await;
    reader.until_came(Topic::Parked, 1).await;
    for key in ["b", "c"] {
        append(&*bus, Topic::Activations, LANE, key).await;
    }
    reader.until_came(Topic::Activations, 2).await;
    let at = |topic, index: usize| reader.came_of(topic)[index].at;
    let times = [at(Topic::Parked, 0), at(Topic::Activations, 0), at(Topic::Activations, 1)];
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
    assert_eq!(reader.control.oldest(LANE), Some(times[0]));
    reader.done(Topic::Activations, "b");
    assert_eq!(reader.control.oldest(LANE), Some(times[0]));
    reader.done(Topic::Parked, "a");
    assert_eq!(reader.control.oldest(LANE), Some(times[2]));
    reader.done(Topic::Activations, "c");
    until_nothing_is_old(&reader).await;
    assert_eq!(reader.control.oldest(Partition(77)), None, "there is no such lane");
}
