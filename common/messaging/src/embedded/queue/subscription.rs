//! Handing messages out.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::TopicQueue;
use super::state::Next;
use crate::{BusError, Completer, DeliveryId, Event, Subscription};

pub(in super::super) struct QueueSubscription {
    completer: Arc<QueueCompleter>,
}

struct QueueCompleter(Arc<TopicQueue>);

impl fmt::Debug for QueueSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueSubscription").field(&self.completer.0.shared.topic).finish()
    }
}

impl fmt::Debug for QueueCompleter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueCompleter").field(&self.0.shared.topic).finish()
    }
}

impl QueueSubscription {
    pub(super) fn new(queue: Arc<TopicQueue>) -> Self {
        Self { completer: Arc::new(QueueCompleter(queue)) }
    }
}

#[async_trait]
impl Subscription for QueueSubscription {
    async fn next(&mut self, max: usize) -> Result<Event, BusError> {
        let queue = &self.completer.0;
        loop {
            let next = queue.shared.state().next(max)?;
            match next {
                Next::Event(event) => return Ok(event),
                Next::Read { after, upto, bounds } => {
                    let page = queue.read(after, upto, bounds).await?;
                    queue.shared.state().page_read(page, upto);
                }
                Next::Nothing => queue.shared.arrived.notified().await,
            }
        }
    }

    fn completer(&self) -> Arc<dyn Completer> {
        Arc::clone(&self.completer) as _
    }
}

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        self.completer.0.shared.state().unsubscribe();
    }
}

#[async_trait]
impl Completer for QueueCompleter {
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError> {
        self.0.complete(deliveries)
    }
}
