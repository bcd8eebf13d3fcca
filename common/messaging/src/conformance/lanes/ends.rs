//! Bounds and ends.

use super::{LANE, LaneBounds, LaneCluster, append, reader};
use crate::{BusError, Message, Partition, Topic};

pub(super) async fn lanes_have_one_subscription(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    append(&*bus, Topic::Activations, LANE, "a").await;
    let first = reader(&*bus).await;
    assert!(matches!(bus.subscribe_lanes().await, Err(BusError::Unavailable(_))));
    for topic in super::ALL {
        assert!(matches!(bus.subscribe(topic).await, Err(BusError::Unavailable(_))), "{topic:?}");
    }
    drop(first);
    let mut second = reader(&*bus).await;
    second.until_came(Topic::Activations, 1).await;
}

pub(super) async fn a_closed_bus_says_so(mut cluster: impl LaneCluster) {
    let bus = cluster.member().await;
    append(&*bus, Topic::Activations, LANE, "a").await;
    {
        let mut reader = reader(&*bus).await;
        reader.until_caught_up(1).await;
        reader.done(Topic::Activations, "a");
        let (ended, ()) = tokio::join!(reader.next(), bus.close());
        assert!(matches!(ended, Err(BusError::Closed)), "{ended:?}");
        // Of what comes too late nobody is told, and nothing hangs.
        reader.control.done(Topic::Activations, LANE, 0);
        reader.control.barrier(LANE);
        assert_eq!(reader.control.oldest(LANE), None);
    }
    for topic in super::ALL {
        let refused = bus.append(topic, LANE, Message::new("b", "")).await;
        assert!(matches!(refused, Err(BusError::Closed)), "{topic:?}: {refused:?}");
    }
    assert!(matches!(bus.withdraw_from(LANE, "b").await, Err(BusError::Closed)));
    assert!(matches!(bus.subscribe_lanes().await, Err(BusError::Closed)));
    let next = cluster.member().await;
    let mut reader = reader(&*next).await;
    reader.until_caught_up(1).await;
    assert_eq!(reader.keys(Topic::Activations), Vec::<&str>::new(), "it was done before the end");
}

pub(super) async fn what_cannot_be_appended_is_refused(mut cluster: impl LaneCluster, bounds: LaneBounds) {
    let bus = cluster.member().await;
    let LaneBounds { max_message } = bounds;
    let large = Message::new("k", vec![b'x'; max_message]);
    for topic in super::ALL {
        let refused = bus.append(topic, LANE, large.clone()).await;
        let expected = max_message + 1;
        assert!(
            matches!(refused, Err(BusError::TooLarge { size, limit }) if size == expected && limit == max_message),
            "{refused:?}"
        );
        let refused = bus.append(topic, Partition(2), Message::new("k", "")).await;
        assert!(matches!(refused, Err(BusError::Unavailable(_))), "{refused:?}");
    }
    for topic in [Topic::Completed, Topic::DeadLetters] {
        let refused = bus.append(topic, LANE, Message::new("k", "")).await;
        assert!(matches!(refused, Err(BusError::Unavailable(_))), "{refused:?}");
    }
}
