//! Channels.

use std::time::Duration;

use bytes::Bytes;

use super::DEADLINE;
use crate::{Bus, BusError, Channel, Heard, Listener};

async fn publish(bus: &dyn Bus, channel: Channel, key: &str) {
    bus.publish(channel, key, Bytes::from(format!("payload of {key}"))).await.unwrap();
}

async fn hear(listener: &mut dyn Listener) -> String {
    let heard = tokio::time::timeout(DEADLINE, listener.next()).await.expect("a message in time").unwrap();
    let Heard::Message { key, payload } = heard else { panic!("{heard:?}") };
    assert_eq!(payload, format!("payload of {key}"));
    key
}

pub(super) async fn everybody_hears_what_is_published_while_listening(bus: &dyn Bus) {
    for channel in Channel::ALL {
        publish(bus, channel, "before").await;
        let mut listeners = vec![
            bus.listen(channel, Duration::ZERO).await.unwrap(),
            bus.listen(channel, Duration::ZERO).await.unwrap(),
        ];
        for key in ["a", "b"] {
            publish(bus, channel, key).await;
        }
        for listener in &mut listeners {
            assert_eq!([hear(&mut **listener).await, hear(&mut **listener).await], ["a", "b"]);
        }
        listeners.pop();
        publish(bus, channel, "c").await;
        let mut late = bus.listen(channel, Duration::ZERO).await.unwrap();
        publish(bus, channel, "d").await;
        assert_eq!([hear(&mut *listeners[0]).await, hear(&mut *listeners[0]).await], ["c", "d"]);
        assert_eq!(hear(&mut *late).await, "d");
    }
}

pub(super) async fn channels_are_apart(bus: &dyn Bus) {
    let mut listeners = Vec::new();
    for channel in Channel::ALL {
        listeners.push(bus.listen(channel, Duration::ZERO).await.unwrap());
    }
    for channel in Channel::ALL {
        publish(bus, channel, channel.name()).await;
    }
    for (channel, listener) in Channel::ALL.into_iter().zip(&mut listeners) {
        assert_eq!(hear(&mut **listener).await, channel.name());
    }
}

pub(super) async fn a_closed_bus_says_so(bus: &dyn Bus) {
    let mut listener = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    let (heard, ()) = tokio::join!(listener.next(), bus.close());
    assert!(matches!(heard, Err(BusError::Closed)), "{heard:?}");
    for channel in Channel::ALL {
        assert!(matches!(bus.publish(channel, "a", Bytes::new()).await, Err(BusError::Closed)));
        assert!(matches!(bus.listen(channel, Duration::ZERO).await, Err(BusError::Closed)));
    }
}
