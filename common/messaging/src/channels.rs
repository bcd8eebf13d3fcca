//! Channels within one process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{BusError, Channel, Heard, Listener};

/// Messages that a listener may lag behind before it misses some.
const CAPACITY: usize = 1024;

type Published = (String, Bytes);

/// The channels of one bus; `None` once it is closed.
#[derive(Debug)]
pub(crate) struct Channels(Mutex<Option<[broadcast::Sender<Published>; Channel::ALL.len()]>>);

impl Default for Channels {
    fn default() -> Self {
        Self(Mutex::new(Some(Channel::ALL.map(|_| broadcast::Sender::new(CAPACITY)))))
    }
}

impl Channels {
    fn senders(&self) -> MutexGuard<'_, Option<[broadcast::Sender<Published>; Channel::ALL.len()]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        let senders = self.senders();
        let sender = &senders.as_ref().ok_or(BusError::Closed)?[channel as usize];
        // An error says that nobody listens.
        let _ = sender.send((key.to_owned(), payload));
        Ok(())
    }

    pub(crate) fn listen(&self, channel: Channel) -> Result<Box<dyn Listener>, BusError> {
        let senders = self.senders();
        let sender = &senders.as_ref().ok_or(BusError::Closed)?[channel as usize];
        Ok(Box::new(LocalListener(sender.subscribe())))
    }

    pub(crate) fn close(&self) {
        self.senders().take();
    }
}

#[derive(Debug)]
struct LocalListener(broadcast::Receiver<Published>);

#[async_trait]
impl Listener for LocalListener {
    async fn next(&mut self) -> Result<Heard, BusError> {
        match self.0.recv().await {
            Ok((key, payload)) => Ok(Heard::Message { key, payload }),
            Err(RecvError::Lagged(_)) => Ok(Heard::Missed),
            Err(RecvError::Closed) => Err(BusError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_lags_behind_is_told_so() {
        let channels = Channels::default();
        let mut listener = channels.listen(Channel::CacheInvalidation).unwrap();
        for n in 0..=CAPACITY {
            channels.publish(Channel::CacheInvalidation, &n.to_string(), Bytes::new()).unwrap();
        }
        assert_eq!(listener.next().await.unwrap(), Heard::Missed);
        let next = listener.next().await.unwrap();
        assert_eq!(next, Heard::Message { key: "1".to_owned(), payload: Bytes::new() });
    }
}
