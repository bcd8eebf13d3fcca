//! Records taken without waiting: kept in memory until Kafka has them, however long it is away, within a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_messaging::{BusError, Message, Receipt, Topic};
use tokio::sync::oneshot;

use super::Inner;

/// Pause before a record that was not acknowledged is sent again, doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Bytes that count, for as long as this lives.
struct Counted {
    inner: Arc<Inner>,
    bytes: usize,
}

impl Counted {
    fn new(inner: &Arc<Inner>, topic: Topic, bytes: usize) -> Result<Self, BusError> {
        let limit = inner.config.producing.unacknowledged_bytes;
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| held == 0 || *sum <= limit);
        let counted = inner.unacknowledged.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        counted.map_err(|_| BusError::Full { topic: topic.name() })?;
        Ok(Self { inner: Arc::clone(inner), bytes })
    }

    fn total(inner: &Inner) -> &AtomicUsize {
        &inner.unacknowledged
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        Self::total(&self.inner).fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

pub(super) fn take(
    inner: &Arc<Inner>,
    topic: Topic,
    key: &str,
    payload: Vec<u8>,
) -> Result<Receipt, BusError> {
    let message = Message::new(key, payload);
    let limit = inner.config.producing.max_message;
    if message.size() > limit {
        return Err(BusError::TooLarge { size: message.size(), limit });
    }
    let counted = Counted::new(inner, topic, message.size())?;
    let (told, receipt) = oneshot::channel();
    let own = Arc::clone(inner);
    let sending = async move {
        if send(&own, topic, message).await {
            // Nobody may want to know.
            let _ = told.send(());
        }
        drop(counted);
    };
    inner.tasks.spawn_on(sending, &inner.runtime);
    Ok(Receipt::pending(receipt))
}

/// Sends a record until Kafka has it. `false` when the bus was closed first.
async fn send(inner: &Inner, topic: Topic, message: Message) -> bool {
    let mut pause = RETRY_FIRST;
    loop {
        // Cheap: the payload is shared.
        let Message { key, payload, .. } = &message;
        let again = Message::new(key.clone(), Bytes::clone(payload));
        let Some(outcome) = inner.closed.run_until_cancelled(inner.produce(topic, again)).await else {
            return false;
        };
        match outcome {
            Ok(()) => return true,
            Err(error) => {
                tracing::warn!(key = message.key, %error, "a record is not on Kafka yet, trying again")
            }
        }
        if inner.closed.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return false;
        }
        pause = (pause * 2).min(RETRY_LONGEST);
    }
}
