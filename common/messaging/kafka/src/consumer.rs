//! Consuming a queue as a member of its group.

pub(crate) mod group;
pub(crate) mod offsets;
mod poll;
pub(crate) mod state;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_messaging::{BusError, Completer, DeliveryId, Event, Subscription, Topic};
use tokio::sync::watch;

use crate::config::KafkaConfig;
use crate::error::ConfigError;
use crate::status::Status;
use group::{Member, Shared};
pub(crate) use poll::start;
use state::State;

/// A poll loop that was begun.
pub(crate) struct Running {
    shared: Arc<Shared<State>>,
    /// Becomes true when it has written its last commit and left.
    ended: watch::Receiver<bool>,
}

impl Running {
    pub(crate) fn is_subscribed(&self) -> bool {
        !self.shared.is_stopped()
    }

    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Ends without a last commit.
    pub(crate) fn abandon(&self) {
        self.shared.abandon();
    }

    pub(crate) async fn ended(&mut self) {
        // An error says that the thread is gone.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

/// Begins to consume.
pub(crate) fn begin(
    config: &KafkaConfig,
    topic: Topic,
    status: &Arc<Status>,
) -> Result<(Running, KafkaSubscription), ConfigError> {
    let shared = Arc::new(Shared::new(State::new(config.consuming, topic)));
    let ended = start(config, Member { topic, follow: &[] }, status, &shared)?;
    let running = Running { shared: Arc::clone(&shared), ended };
    Ok((running, KafkaSubscription { topic, shared }))
}

pub(crate) struct KafkaSubscription {
    topic: Topic,
    shared: Arc<Shared<State>>,
}

impl fmt::Debug for KafkaSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaSubscription").field(&self.topic).finish()
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn next(&mut self, max: usize) -> Result<Event, BusError> {
        loop {
            if let Some(event) = self.shared.state().next(max)? {
                return Ok(event);
            }
            self.shared.arrived().await;
        }
    }

    fn completer(&self) -> Arc<dyn Completer> {
        Arc::new(KafkaCompleter { topic: self.topic, shared: Arc::clone(&self.shared) })
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

struct KafkaCompleter {
    topic: Topic,
    shared: Arc<Shared<State>>,
}

impl fmt::Debug for KafkaCompleter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaCompleter").field(&self.topic).finish()
    }
}

#[async_trait]
impl Completer for KafkaCompleter {
    /// Committed within the commit interval.
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError> {
        self.shared.state().complete(deliveries);
        Ok(())
    }
}
